"""Files and texts that are no plan, or try to do harm, end in one clear error."""

import sys
from pathlib import Path

import pytest

from autopack.model.errors import NotFound, PlanError
from autopack.plan import is_plain_text, load_plan, parse_plan

MINIMAL = "goal: g\nphases:\n  - {id: a, instructions: do}\n"


def fault_of(text, name="plan.yaml"):
    with pytest.raises(PlanError) as caught:
        parse_plan(text, name=name)
    return caught.value


def test_a_missing_file(tmp_path):
    with pytest.raises(NotFound, match=r"gone\.yaml: no such file") as caught:
        load_plan(tmp_path / "gone.yaml")
    assert caught.value.field == "plan"


def test_a_folder(tmp_path):
    with pytest.raises(PlanError, match="is a folder"):
        load_plan(tmp_path)


def test_a_file_as_a_folder(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(PlanError, match="cannot be read: Not a directory"):
        load_plan(tmp_path / "a" / "plan.yaml")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"goal: g\n\x00\x01", 2),  # NUL
        (b"goal: g\n\n\xff\xfe", 3),  # not UTF-8
        (MINIMAL.encode("utf-16"), 1),  # another encoding
    ],
)
def test_a_binary_file(tmp_path, content, line):
    path = tmp_path / "plan.yaml"
    path.write_bytes(content)
    with pytest.raises(PlanError, match="is not UTF-8 text") as caught:
        load_plan(path)
    assert caught.value.line == line


def test_a_large_file(tmp_path):
    path = tmp_path / "plan.yaml"
    with path.open("wb") as file:
        file.truncate(5 * 1024 * 1024)
    with pytest.raises(PlanError, match=r"a plan may be at most 1 MiB; this one has 5\.0 MiB"):
        load_plan(path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs /dev/zero")
def test_a_file_without_an_end():
    with pytest.raises(PlanError, match="this one has more"):
        load_plan(Path("/dev/zero"))


def test_a_large_text():
    assert "this one has 1.1 MiB" in fault_of("#" * (1024 * 1024 + 1)).message


def test_just_not_too_large():
    assert parse_plan(MINIMAL + "#" * (1024 * 1024 - len(MINIMAL))).goal == "g"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("goal: g\nphases: [", 2, "not valid YAML"),
        ("goal: g\n\tphases: []", 2, "cannot start any token"),
        ("goal: a: b", 1, "mapping values are not allowed here"),
        ("goal: *x", 1, "undefined alias 'x'"),
        ("goal: g\n---\ngoal: h", 2, "expected a single document"),
        ("goal: g\nx: \x07", 2, "U+0007"),
        ("goal: !!python/object:os.system x\nphases: []", 1, "!!python/object:os.system"),
        ("goal: !secret x\nphases: []", 1, "tag !secret"),
        ("goal: g\n<<: {a: b}\nphases: []", 2, "merge key <<"),
        ("goal: g\n[a]: b\nphases: []", 2, "key that is not text"),
        ('goal: "\\ud83d"\nphases: []', 1, "half a character"),
        ('goal: g\nx: "\\UFFFFFFFF"', 2, "an escape that is no character"),
    ],
)
def test_what_is_not_proper_yaml(text, line, says):
    error = fault_of(text)
    assert error.line == line
    assert error.message.startswith(f"plan.yaml:{line}: ")
    assert says in error.message


def test_a_key_given_twice():
    error = fault_of("goal: g\nphases:\n  - id: a\n    instructions: do\n    id: b\n")
    assert (error.field, error.line) == ("phases[0].id", 5)
    assert error.message.endswith("is given twice, first on line 3")


def test_a_key_given_twice_in_json():
    error = fault_of('{"goal": "a",\n "goal": "b", "phases": []}', name="plan.json")
    assert (error.field, error.line) == ("goal", 2)


def test_an_alias_bomb():
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "repeats more than 10,000 values" in fault_of("\n".join(rows)).message


@pytest.mark.parametrize(
    "text",
    [
        "goal: &a [*a]",  # an alias to itself
        "goal: " + "[" * 100_000,
        "goal: " + "{a: " * 100_000,
        "- " * 100_000,
        "goal:\n" + "".join(f"  - &a{n} [{f'*a{n - 1}' if n else ''}]\n" for n in range(5000)),
    ],
)
def test_deep_nesting(text):
    assert "nests deeper than 20 levels" in fault_of(text).message


def test_deep_nesting_in_json_with_tabs():
    assert fault_of('{"goal":\t' + "[" * 100_000 + "]" * 100_000 + "}").line == 1


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "null", "---\n"])
def test_an_empty_plan(text):
    error = fault_of(text)
    assert error.message == "plan.yaml: is empty"
    assert error.hint


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words", "[]", "3"])
def test_the_top_level_is_a_mapping(text):
    error = fault_of(text)
    assert (error.message, error.line) == (
        "plan.yaml:1: must be a mapping with goal and phases",
        1,
    )


PROSE = [
    "- Add user authentication\n* Create login endpoint\n",
    "Implement a REST API.\nAdd middleware.\n",
    "# Plan\n\nFirst: do this: then that\n",
    "Task: fix the login\n",
    "1. one\n2. two\n",
]


@pytest.mark.parametrize("text", PROSE)
def test_plain_text_needs_the_normaliser(text):
    error = fault_of(text, name="plan")
    assert error.message == "plan: is plain text, not a plan in YAML or JSON"
    assert "plan_normalization" in error.hint  # pyright: ignore[reportOperatorIssue]
    assert is_plain_text(text)


def test_markdown_needs_the_normaliser_whatever_it_holds(tmp_path):
    path = tmp_path / "PLAN.MD"
    path.write_text(MINIMAL, encoding="utf-8")
    with pytest.raises(PlanError, match="is plain text"):
        load_plan(path)
    assert is_plain_text(MINIMAL, name="notes.txt")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MINIMAL, "plan"),
        ("goal: g\nphases: [", "plan"),  # a broken plan
        ('{"goal": ', "plan"),  # broken JSON
        ("", "plan"),  # nothing to normalise
        ("just words", "plan.yaml"),  # the name says what it should be
        ("gaol: g\nphases: []", "plan"),
    ],
)
def test_what_is_not_plain_text(text, name):
    assert not is_plain_text(text, name=name)
