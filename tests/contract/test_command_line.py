"""The command line as promised: commands, options, exit codes, one JSON object."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App
from support.projects import Project
from support.promised_commands import COMMANDS

from autopack.settings import Settings
from deployments.cli import run_command
from deployments.cli.tree import app


def help_of(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run_command([*command.split(), "--help"]) == 0
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.parametrize(
    ("command", "positional", "options"), COMMANDS, ids=[c[0] for c in COMMANDS]
)
def test_a_command_takes_what_is_promised(
    command: str,
    positional: tuple[str, ...],
    options: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = help_of(command, capsys)
    found = re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)
    assert {*options, "--json"} <= set(found)
    shown = re.findall(r"│ \*? *([A-Z][A-Z-]*)\b", text)
    assert tuple(shown[: len(positional)]) == positional


def named_in(group: App, words: str = "") -> Iterator[tuple[str, App]]:
    """The commands of a group, and of those below it, as they are typed."""
    for name in group:
        if not name.startswith("-"):
            typed = f"{words} {name}".strip()
            if group[name].default_command is not None:
                yield typed, group[name]
            yield from named_in(group[name], typed)


def test_every_command_but_worker_takes_json(capsys: pytest.CaptureFixture[str]) -> None:
    without = {name for name, _ in named_in(app) if "--json" not in help_of(name, capsys)}
    assert without == {"worker"}


def test_a_command_says_of_itself_what_its_group_says_of_it_and_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, command in named_in(app):
        said = inspect.getdoc(command.default_command) or ""
        line, *more = said.split("\n\n")
        shown = help_of(name, capsys)
        assert " ".join(" ".join(more).split())[:150] in " ".join(shown.split()), name
        group, _, last = name.rpartition(" ")
        listed = re.search(rf"│ (?:\w+ \()?{last}\b.*", help_of(group, capsys))
        assert f" {line} " in (listed or [""])[0], name


def test_no_switch_has_a_negative_that_nobody_promised(capsys: pytest.CaptureFixture[str]) -> None:
    for command, _, options in COMMANDS:
        negatives = re.findall(r"--(?:no|empty)-[a-z-]*", help_of(command, capsys))
        assert set(negatives) <= set(options), command


@pytest.mark.parametrize(
    "command", ["", "plan", "patterns", "research", "review", "builders", "usage", "budget", "db"]
)
def test_help_lists_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(command, capsys)
    for name, _, _ in COMMANDS:
        group, _, last = name.rpartition(" ")
        if group == command:
            assert re.search(rf"│ (?:\w+ \()?{last}\b", text), name


def test_the_help_of_every_command_ends_in_a_full_stop(capsys: pytest.CaptureFixture[str]) -> None:
    for command, _, _ in COMMANDS:
        assert help_of(command, capsys).splitlines()[2].endswith("."), command


def test_at_cap_is_one_of_two(autopack: Any, project: Project) -> None:
    answer = autopack("run", *project.run_args, "--at-cap", "guess", "--json")
    assert answer.code == 2
    assert "at-cap" in answer.json["error"]["message"]


# More than a 64-bit column holds.
HUGE = str(10**19)

# what is typed, and the exit code; every row is asked for JSON too
ANSWERS: list[tuple[list[str], int]] = [
    (["runs"], 0),
    (["runs", "--state", "FAILED", "--limit", "1"], 0),
    (["show", "failed"], 0),
    (["tokens", "failed"], 0),
    (["plan", "check", "PLAN"], 0),
    (["toolchain", "REPO"], 0),
    (["db", "upgrade"], 0),
    (["db", "check"], 0),
    (["db", "identity"], 0),
    (["db", "retain", "--older-than", "90d"], 0),
    (["usage", "--by", "day", "--since", "7d"], 0),
    (["metrics", "failed"], 0),
    (["metrics", "--since", "7d"], 0),
    (["health"], 0),
    (["patterns", "list"], 0),
    (["patterns", "match", "PLAN", "--repo", "REPO"], 0),
    (["ab", "power", "--sd", "0.5"], 0),
    # bad input and refusals
    (["approve", "nobody"], 2),
    (["ab", "run", "nowhere"], 2),
    (["ab", "analyse"], 2),
    (["ab", "analyse", "nobody"], 2),
    (["ab", "analyse", "--csv", "nowhere", "--control-runs", "a"], 2),
    (["ab", "analyse", "--control-runs", "failed"], 2),
    (["ab", "analyse", "--control-runs", "nobody", "--treatment-runs", "failed"], 2),
    (["approve", "failed"], 2),
    (["builders", "check", "nobody"], 2),
    (["builders", "check", "codex", "--set", "api_key=x"], 2),
    (["usage", "parse", "nonsense", "PLAN"], 2),
    (["usage", "parse", "codex", "nowhere"], 2),
    (["budget", "show", "nobody"], 2),
    (["api", "--port", "99999999"], 2),
    (["api", "keys", "create", "x", "--scope", "everything"], 2),
    (["api", "keys", "create", "x", "--expires", "yesterday"], 2),
    (["api", "keys", "create", " "], 2),
    (["api", "keys", "revoke", "none"], 2),
    (["api", "user", "disable", "nobody"], 2),
    (["api", "audit", "--limit", "0"], 2),
    (["up", "--port", "99999999"], 2),
    (["budget", "set", "all", "--tokens", "0"], 2),
    (["budget", "set", "all", "--tokens", "9", "--per", "day"], 0),
    (["budget", "set", "all", "--tokens", "9", "--per", "year"], 2),
    (["budget", "set", "all", "--minutes", "9", "--per", "day"], 2),
    (["budget", "set", "all", "--per", "day"], 2),
    (["budget", "set", "all"], 2),
    (["budget", "set", "all", "--none"], 0),
    (["budget", "set", "all", "--none", "--tokens", "9"], 2),
    (["pr", "nobody"], 2),
    (["open", "nobody"], 2),
    (["open", "failed"], 2),
    (["import", "--columns"], 0),
    (["import"], 2),
    (["notify", "test", "--event", "birthday"], 2),
    (["notify", "test", "--url", "nowhere"], 2),
    (["notify", "test", "--url", "http://127.0.0.1:9/"], 1),
    (["pr", "failed"], 2),
    (["run", "PLAN", "--repo", "REPO", "--set", "recording=RECORDING", "--pr", "often"], 2),
    (["run", "PLAN", "--repo", "REPO", "--dry-run"], 2),
    (["run", "PLAN", "--repo", "REPO", "--set", "recording=RECORDING", "--dry-run"], 0),
    (["budget", "set", "all", "--cost", "nan"], 2),
    (["budget", "set", "all", "--cost", "snan"], 2),
    (["budget", "set", "all", "--cost", "inf"], 2),
    (["budget", "set", "all", "--minutes", "nan"], 2),
    ([], 2),
    (["plan"], 2),
    (["nonsense"], 2),
    (["runs", "--nonsense"], 2),
    (["runs", "--limit", "many"], 2),
    (["runs", "--limit", "0"], 2),
    (["runs", "--limit", "10001"], 2),
    (["runs", "--state", "NONSENSE"], 2),
    (["runs", "--after", "nonsense"], 2),
    (["run"], 2),
    (["run", "PLAN"], 2),
    (["run", "PLAN", "--repo", "REPO"], 2),
    (["run", "PLAN", "--repo", "REPO", "--set", "nonsense"], 2),
    (["run", "PLAN", "--repo", "REPO", "--set", "speed=fast"], 2),
    (["run", "PLAN", "--repo", "REPO", "--set", "recording=RECORDING", "--token-cap", "0"], 2),
    (["run", "PLAN", "--repo", "REPO", "--set", "recording=RECORDING", "--token-cap", HUGE], 2),
    (["run", "PLAN", "--repo", "REPO", "--set", "recording=RECORDING", "--enable", "x"], 2),
    (["show"], 2),
    (["show", "nobody"], 2),
    (["tokens", "nobody"], 2),
    (["metrics"], 2),
    (["metrics", "nobody"], 2),
    (["usage", "--since", "soon"], 2),
    (["usage", "--limit", "0"], 2),
    (["import", "nowhere.csv"], 2),
    (["db", "retain", "--older-than", "soon"], 2),
    (["db", "retain", "--older-than", "999999w"], 2),
    (["resume", "nobody"], 2),
    (["resume", "failed"], 2),
    (["fetch", "failed"], 0),
    (["fetch", "failed", "--phase", "two", "--attempt", "1"], 0),
    (["fetch", "nobody"], 2),
    (["fetch", "failed", "--phase", "three"], 2),
    (["fetch", "failed", "--attempt", "9"], 2),
    (["retry", "nobody"], 2),
    (["retry", "failed", "--phase", "nobody"], 2),
    (["retry", "failed", "--from-attempt", "9"], 2),
    (["retry", "failed", "--plan", "nowhere.yaml"], 2),
    (["cancel", "nobody"], 2),
    (["cancel", "failed"], 2),
    (["plan", "check", "nowhere.yaml"], 2),
    (["plan", "normalise", "nowhere.md"], 2),
    (["plan", "normalise", "PLAN", "--repo", "nowhere"], 2),
    (["patterns", "match", "nowhere.log"], 2),
    (["patterns", "match", "PLAN", "--repo", "nowhere"], 2),
    (["patterns", "list", "--off", "nonsense"], 2),
    (["toolchain", "nowhere"], 2),
    (["up", "--port", "many"], 2),
    (["deploy"], 2),
]


def _is_command(argv: list[str]) -> bool:
    # Without a command there is help, which is not an answer that a script asks for.
    return argv not in ([], ["plan"])


@pytest.fixture
def fill_in(project: Project, failed_run: str) -> Callable[[list[str]], list[str]]:
    def fill(argv: list[str]) -> list[str]:
        names = {
            "PLAN": str(project.plan),
            "REPO": str(project.repository),
            "recording=RECORDING": f"recording={project.recording}",
        }
        return [names.get(word, word) for word in argv]

    return fill


@pytest.mark.parametrize(
    ("argv", "code"), ANSWERS, ids=[" ".join(row[0]) or "-" for row in ANSWERS]
)
def test_with_json_stdout_is_one_object_whatever_happens(
    argv: list[str], code: int, autopack: Any, fill_in: Callable[[list[str]], list[str]]
) -> None:
    answer = autopack(*fill_in(argv), "--json")
    assert answer.code == code, answer
    if code == 0:
        assert "error" not in answer.json
    else:
        error = answer.json["error"]
        assert set(error) == {"kind", "message", "field", "hint"}
        assert error["kind"]
        assert error["message"]


@pytest.mark.parametrize(
    ("argv", "code"), ANSWERS, ids=[" ".join(row[0]) or "-" for row in ANSWERS]
)
def test_without_json_answers_go_to_stdout_and_errors_to_stderr(
    argv: list[str], code: int, autopack: Any, fill_in: Callable[[list[str]], list[str]]
) -> None:
    answer = autopack(*fill_in(argv))
    if not _is_command(argv):
        assert answer.code == 0
        assert "Usage" in answer.out
        return
    assert answer.code == code, answer
    assert bool(answer.out) == (code == 0)
    if code:
        assert answer.err
        assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["runs", "nonsense"], "unexpected argument: 'nonsense'"),
        (["show"], "RUN-ID is missing"),
        (["run", "plan.yaml"], "--repo is missing"),
        (["run", "plan.yaml", "--repo"], "--repo has no value"),
    ],
)
def test_what_is_wrong_with_a_command_line_is_said_plainly(
    argv: list[str], message: str, autopack: Any
) -> None:
    answer = autopack(*argv)
    assert (answer.code, answer.out) == (2, "")
    assert f"error: {message}\n" in answer.err


def test_drift_in_the_database_is_exit_code_1(autopack: Any, failed_run: str) -> None:
    from autopack.store.database.engine import Database

    db = Database.open(Settings.from_environment().database_url)
    db.transact(
        lambda conn: conn.exec_driver_sql("UPDATE phases SET state = 'EXECUTING' WHERE ordinal = 0")
    )
    db.close()
    answer = autopack("db", "check", "--json")
    assert answer.code == 1
    assert answer.json["drift"]


# what a run ended as, and the exit code of the command that executed it
@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("DONE_SUCCESS", 0),
        ("DONE_FAILED_BUDGET_EXHAUSTED", 1),
        ("DONE_FAILED_POLICY_VIOLATION", 1),
        ("DONE_FAILED_REQUIRES_HUMAN_REVIEW", 1),
        ("DONE_FAILED_ENVIRONMENT", 1),
        ("DONE_CANCELLED", 1),
        ("AWAITING_APPROVAL", 3),
        # interrupted: it can be resumed
        ("PHASE_EXECUTION", 130),
    ],
)
def test_the_exit_code_of_a_run(state: str, code: int) -> None:
    from deployments.cli.shared.executing import exit_code

    assert exit_code({"state": state}) == code


def test_a_fault_of_autopack_is_one_line_and_keeps_the_details(
    autopack: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from deployments.cli.runs import show

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("a fault\nof two lines")

    monkeypatch.setattr(show, "run_view", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    answer = autopack("show", "x", "--json")
    error = answer.json["error"]
    assert (answer.code, error["kind"]) == (1, "internal")
    assert error["message"] == "ZeroDivisionError: a fault"
    (report,) = tmp_path.glob("autopack-fault-*.log")
    assert str(report) in error["hint"]
    assert "Traceback" in report.read_text(encoding="utf-8")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from autopack import __version__

    assert run_command(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__
