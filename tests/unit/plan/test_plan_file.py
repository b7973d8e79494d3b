"""What a plan file may say, and what it then means."""

import json
from decimal import Decimal

import pytest
import yaml

from autopack.plan import Feature, Plan, load_plan, parse_plan

EXAMPLE = """\
goal: Ordinals of 11th to 13th are wrong
success_criteria: [the whole suite passes]
non_goals: [no new dependencies]
setup: []                       # inferred from the toolchain when absent
features: [failure_hardening]   # off unless named; --enable adds
policy: {doctor: off, drift: advisory, on_skip: block, execute_fix: []}
models: {builder: claude-sonnet-4-5, doctor_cheap: claude-haiku-4-5, doctor_strong: null}
budget: {tokens: 5000000, cost: null, phases: 25, minutes: 120}
phases:
  - id: fix-ordinals
    tier: T1
    instructions: Make ordinal(111) return "111th".
    deliverables: [inflection/__init__.py]
    scope: {paths: [inflection/], read_only: [tests/]}
    validate: [pytest -q]
    depends_on: []
    budget: {tokens: 50000, attempts: 5, minutes: 20}
    approval: false
"""
MINIMAL = "goal: g\nphases:\n  - {id: a, instructions: do}\n"


def minimal(**phase):
    return json.dumps({"goal": "g", "phases": [{"id": "a", "instructions": "do"} | phase]})


def test_every_key_of_the_example_is_read():
    plan = parse_plan(EXAMPLE)
    (phase,) = plan.phases
    assert plan.goal == "Ordinals of 11th to 13th are wrong"
    assert plan.success_criteria == ("the whole suite passes",)
    assert plan.non_goals == ("no new dependencies",)
    assert plan.setup == ()
    assert plan.features == (Feature.FAILURE_HARDENING,)
    assert plan.policy.doctor == "off"
    assert (plan.models.builder, plan.models.doctor_strong) == ("claude-sonnet-4-5", None)
    assert (phase.id, phase.tier) == ("fix-ordinals", "T1")
    assert phase.instructions == 'Make ordinal(111) return "111th".'
    assert phase.deliverables == ("inflection/__init__.py",)
    assert (phase.scope.paths, phase.scope.read_only) == (("inflection/",), ("tests/",))
    assert phase.checks == (("pytest", "-q"),)
    assert (phase.budget.tokens, phase.budget.attempts, phase.budget.minutes) == (50000, 5, 20)
    assert phase.approval is False


def test_defaults():
    plan = parse_plan(MINIMAL)
    (phase,) = plan.phases
    assert plan.budget.model_dump() == {
        "tokens": 5_000_000, "cost": None, "phases": 25, "minutes": 120,
    }  # fmt: skip
    assert plan.policy.model_dump() == {
        "doctor": "off", "review": "off", "review_required": False,
        "drift": "advisory", "on_skip": "block", "execute_fix": (),
        "tests": "report", "pr": "off", "holdout": 0.0,
    }  # fmt: skip
    assert (plan.features, plan.setup, plan.models.builder) == ((), None, None)
    assert (phase.tier, phase.checks, phase.deliverables, phase.depends_on) == ("T1", None, (), ())
    assert phase.budget.model_dump() == {"tokens": None, "attempts": 5, "minutes": None}


def test_what_the_author_wrote_can_be_told_from_defaults():
    plan = parse_plan("goal: g\nbudget: {tokens: 5000000}\nphases: [{id: a, instructions: do}]")
    assert plan.budget.model_fields_set == {"tokens"}
    assert "policy" not in plan.model_fields_set


@pytest.mark.parametrize(
    ("validate", "checks"),
    [
        (["pytest -q"], [("pytest", "-q")]),
        (["a 'b c' \"d e\" f\\ g"], [("a", "b c", "d e", "f g")]),  # quotes as in a shell
        ([["a", "b c", "", "-x"]], [("a", "b c", "", "-x")]),  # a list is kept as it is
        (["sh -c 'a | b && c'"], [("sh", "-c", "a | b && c")]),  # a pipe inside quotes
        (["find . -exec x {} \\;"], [("find", ".", "-exec", "x", "{}", ";")]),  # escaped
        (["pip install foo>=1"], [("pip", "install", "foo>=1")]),  # inside a word
        (["env A=1 x"], [("env", "A=1", "x")]),
        (["x a=1"], [("x", "a=1")]),  # no assignment once a program is named
        (["python -c 'a\nb'"], [("python", "-c", "a\nb")]),  # a line break in quotes
        (["  x \n"], [("x",)]),
        ([], []),  # no checks, which is not the same as absent
        (["a", ["b"]], [("a",), ("b",)]),
    ],
)
def test_commands(validate, checks):
    assert parse_plan(minimal(validate=validate)).phases[0].checks == tuple(checks)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a/b.py", "a/b.py"),
        ("a/", "a/"),  # a folder
        ("**/*.py", "**/*.py"),
        ("src/[ab]?.{js,ts}", "src/[ab]?.{js,ts}"),
        ("./a//b/./c", "a/b/c"),  # tidied
        ("a/.", "a/"),
        ("with space/ü.txt", "with space/ü.txt"),
        ("...", "..."),  # a name, if an odd one
        ("a..b/c", "a..b/c"),
        (".github/x.yml", ".github/x.yml"),
        (".gitignore", ".gitignore"),
    ],
)
def test_paths(written, read):
    text = minimal(deliverables=[written], scope={"paths": [written], "read_only": [written]})
    (phase,) = parse_plan(text).phases
    assert phase.deliverables == phase.scope.paths == phase.scope.read_only == (read,)


@pytest.mark.parametrize(
    ("word", "mode"), [("off", "off"), ("'off'", "off"), ("script", "script"), ("api", "api")]
)
def test_doctor_modes(word, mode):
    assert parse_plan(f"policy: {{doctor: {word}}}\n{MINIMAL}").policy.doctor == mode


def test_off_read_by_another_yaml_reader_is_still_off():
    data = yaml.safe_load(f"policy: {{doctor: off, drift: off}}\n{MINIMAL}")
    assert data["policy"]["doctor"] is False
    policy = Plan.model_validate(data).policy
    assert (policy.doctor, policy.drift) == ("off", "off")
    assert parse_plan(json.dumps(data)).policy.doctor == "off"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("007", "007"),  # not the number 7
        ("1.10", "1.10"),  # not 1.1
        ("2026-01-02", "2026-01-02"),  # not a date
        ("on", "on"),  # not true
        ("1_0", "1_0"),
    ],
)
def test_plain_words_stay_text_where_text_is_wanted(written, read):
    plan = parse_plan(f"goal: {written}\nphases: [{{id: a, tier: {written}, instructions: do}}]")
    assert plan.goal == plan.phases[0].tier == read


@pytest.mark.parametrize("word", ["true", "yes", "on", "True"])
def test_approval(word):
    plan = parse_plan(f"goal: g\nphases: [{{id: a, instructions: do, approval: {word}}}]")
    assert plan.phases[0].approval is True


def test_cost_is_exact():
    plan = parse_plan("budget: {cost: 0.10}\n" + MINIMAL)
    assert plan.budget.cost == Decimal("0.1")
    assert plan.to_dict()["budget"]["cost"] == 0.1


def test_features_are_kept_once_in_a_fixed_order():
    text = "features: [intention_context, phase6_metrics, intention_context]\n" + MINIMAL
    assert parse_plan(text).features == (Feature.PHASE6_METRICS, Feature.INTENTION_CONTEXT)


def test_anchors_and_aliases_may_be_used():
    text = """\
goal: g
phases:
  - {id: a, instructions: do, validate: &checks [pytest -q]}
  - {id: b, instructions: do, validate: *checks}
"""
    first, second = parse_plan(text).phases
    assert first.checks == second.checks == (("pytest", "-q"),)


def test_json_may_be_indented_by_tabs():
    data = json.loads(minimal(instructions="tab\there"))
    plan = parse_plan(json.dumps(data, indent="\t"), name="plan.json")
    assert plan.phases[0].instructions == "tab\there"


def test_json_escapes_of_an_emoji_are_one_character():
    text = minimal(instructions="done \N{PARTY POPPER}")
    assert "\\ud83c" in text
    assert parse_plan(text).phases[0].instructions == "done \N{PARTY POPPER}"


@pytest.mark.parametrize("odd", ["\u2028", "\x7f", "\x85", "\ufeff", "é", "\N{PARTY POPPER}"])
def test_json_strings_may_hold_what_yaml_forbids(odd):
    text = json.dumps(json.loads(minimal(instructions=f"a{odd}b")), ensure_ascii=False)
    assert parse_plan(text).phases[0].instructions == f"a{odd}b"


def test_a_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(MINIMAL, encoding="utf-8-sig")
    assert load_plan(path) == parse_plan(MINIMAL)


def test_windows_line_ends_are_read(tmp_path):
    path = tmp_path / "plan.yml"
    path.write_bytes(MINIMAL.replace("\n", "\r\n").encode())
    assert load_plan(path) == parse_plan(MINIMAL)
