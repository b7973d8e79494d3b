"""What the commands about patterns refuse, and that a bad pattern file is one clear line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from support.failed_run import home_in

from autopack.model.errors import BadInput
from autopack.repair.patterns.pattern_files import of_home
from deployments.cli import run_command

GOOD = {
    "id": "engine",
    "version": 1,
    "summary": "the engine gave up",
    "signature_version": 1,
    "literal": "gave up compiling",
    "regex": "^error: engine .* gave up compiling the query$",
    "mitigation": "stop_retrying",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with one declared pattern."""
    home_in(tmp_path, monkeypatch)
    monkeypatch.setenv("AUTOPACK_HOME", str(tmp_path))
    (tmp_path / "patterns").mkdir()
    (tmp_path / "patterns" / "engine.yaml").write_text(yaml.safe_dump(GOOD))
    return tmp_path


BAD = [
    ({"regex": "^error$"}, "regex", "less than two words"),
    ({"regex": "^(error|engine).+$"}, "regex", "regex holds"),
    ({"regex": "error: engine gave up compiling"}, "regex", "not anchored"),
    ({"literal": "nowhere"}, "literal", "no part of the regex"),
    ({"literal": ""}, "literal", "literal must be text"),
    ({"version": 0}, "version", "version must be"),
    ({"version": True}, "version", "version must be"),
    ({"signature_version": 99}, "signature_version", "signature_version is 99"),
    ({"id": "../x"}, "id", "is not valid"),
    ({"mitigation": "rm"}, "mitigation", "unknown mitigation"),
    ({"mitigation": "hint"}, "mitigation", "needs `advice`"),
    ({"mitigation": {"name": "none", "command": "rm -rf /"}}, "mitigation", "takes no 'command'"),
    ({"mitigation": "run_listed_command"}, "mitigation", "needs `command`"),
    ({"mitigation": {"name": "run_listed_command", "command": "a 'b"}}, "mitigation", "split"),
    ({"files": ["../secret"]}, "files", "not in the repository"),
    ({"types": ["nonsense"]}, "types", "unknown cause"),
    ({"colour": "red"}, "colour", "unknown field"),
    ({"summary": None}, "summary", "summary must be text"),
]


@pytest.mark.parametrize(("changes", "field", "says"), BAD)
def test_a_bad_pattern_file_is_a_line_that_names_file_and_field(
    home: Path, changes: dict[str, object], field: str, says: str, capsys
) -> None:
    (home / "patterns" / "bad.yaml").write_text(yaml.safe_dump({**GOOD, "id": "bad", **changes}))
    with pytest.raises(BadInput) as caught:
        of_home(home)
    assert caught.value.field == field
    assert run_command(["patterns", "list"]) == 2
    shown = capsys.readouterr().err
    assert "bad.yaml" in shown
    assert says in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    "content", [b"", b"- a\n", b"\xff\xfe", b"a: [", b"x" * 200_000, b"!!python/object:os.system x"]
)
def test_what_is_no_pattern_file_is_named(home: Path, content: bytes, capsys) -> None:
    (home / "patterns" / "bad.yaml").write_bytes(content)
    assert run_command(["patterns", "list"]) == 2
    assert "bad.yaml" in capsys.readouterr().err


def test_two_patterns_of_one_name_are_refused(home: Path, capsys) -> None:
    (home / "patterns" / "again.yml").write_text(yaml.safe_dump(GOOD))
    assert run_command(["patterns", "list"]) == 2
    assert "two failure patterns are called 'engine'" in capsys.readouterr().err


def test_a_declared_pattern_is_listed_and_says_that_nobody_looked(home: Path, capsys) -> None:
    assert run_command(["patterns", "list", "--json"]) == 0
    rows = {row["pattern_id"]: row for row in json.loads(capsys.readouterr().out)["patterns"]}
    row = rows["engine"]
    assert (row["state"], row["looks"], row["precision"], row["origin"]) == (None, 0, None, "home")
    assert (rows["scope_mismatch"]["state"], rows["scope_mismatch"]["looks"]) == ("mitigate", 0)
    assert run_command(["patterns", "list"]) == 0
    assert "never looked at" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["judge", "1", "right"], "there is no hit 1"),
        (["judge", "one", "right"], "invalid hit: 'one'"),
        (["judge", "0", "right"], "invalid hit: '0'"),
        (["judge", "9" * 30, "right"], "invalid hit"),
        (["judge", "1", "maybe"], "say right or wrong"),
        (["judge", "1"], "VERDICT is missing"),
        (["promote", "engine"], "--why"),
        (["promote", "engine", "--why", "  "], "--why is empty"),
        (["promote", "engine", "--why", "x" * 3_000], "longer than"),
        (["promote", "nothing", "--why", "x"], "there is no pattern"),
        (["promote", "scope_mismatch", "--why", "x"], "built in"),
        (["promote", "engine", "--why", "x", "--repo", "nowhere"], "nowhere"),
        (["demote", "engine", "--why", "x"], "cannot be demoted"),
        (["hits", "--limit", "0"], "invalid limit: 0"),
        (["hits", "nothing"], "there is no pattern 'nothing'"),
        (["history", "nothing"], "there is no pattern 'nothing'"),
        (["hits", "--after", "x"], "invalid after: 'x'"),
    ],
)
def test_bad_input_is_refused_in_a_line(
    home: Path, words: list[str], says: str, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    assert run_command(["patterns", *words]) == 2
    shown = capsys.readouterr().err
    assert says in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--savings", "--since", "yesterday"], "yesterday"),
        (["--savings", "--until", "2026-01-01"], "--savings"),
        (["run-1", "--savings"], "--savings"),
    ],
)
def test_a_period_that_is_none_is_refused(home: Path, words: list[str], says: str, capsys) -> None:
    assert run_command(["metrics", *words]) == 2
    assert says in capsys.readouterr().err
