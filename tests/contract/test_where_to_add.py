"""CONTRIBUTING's table: what a package brings in one file, and what is one line here, works.

A builder has a module of its own, `test_own_builder`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.documents import ROOT
from support.own_packages import environment, install
from support.projects import make_repository

PATTERN = """
from autopack.repair.patterns.failure_pattern import Evidence, Match, Proposal


class NoFlux:
    pattern_id = "no_flux"
    priority = 2
    summary = "the flux is not charged: charge it"

    def detect(self, evidence: Evidence) -> Match | None:
        return Match("no_flux", 2, {"by": "text"}) if "flux is empty" in evidence.text else None

    def propose(self, evidence: Evidence, match: Match) -> Proposal:
        return Proposal("no_flux", suggestions=("charge it",))
"""
TOOLCHAIN = r"""
import re

from autopack.model.causes import FailureCause
from autopack.toolchains import Detected, Found, Missed, Toolchain
from autopack.toolchains.runner import Results, Runner


class MineTest(Runner):
    name = "mine test"
    programs = ("mine",)
    marker = re.compile(r"^mine: \d+ bad$", re.MULTILINE)
    red = (r"^mine: [1-9]\d{0,6} bad$",)

    def results(self, told):
        failed = frozenset(re.findall(r"^BAD (\S+)$", told.output, re.MULTILINE))
        return Results(failed) if failed else None


class Mine(Toolchain):
    name = "mine"
    languages = {"Minelang": "mine"}
    programs = ("mine",)
    manifests = ("mine.project",)
    lock_files = ("mine.lock",)
    settings = ("mine.project",)
    safe_commands = (("mine", "test"),)
    runners = (MineTest(),)
    missed = (Missed(r"^mine: nothing at '{path}'"),)
    messages = {FailureCause.SYNTAX_ERROR: {"mine cannot read line": None}}
    homes = {"MINE_HOME": ".mine"}
    readable = (".mine",)
    index_settings = (".minerc",)
    caches = {"MINE_CACHE": "mine"}
    variables = (r"MINE_\w+",)
    misleading = (r"MINE_PROFILE",)
    index_variables = (r"MINE_TOKEN",)
    generated = (".mine-out/",)
    test_files = ("*_check.mine",)

    def find(self, tree, path):
        if not tree.has(path, "mine.project"):
            return None
        return Found(
            Detected(
                name="mine",
                manager="mine",
                path=path,
                confidence=0.9,
                evidence=("mine.project",),
                install=(("sh", "-c", "mkdir -p .mine-out && touch .mine-out/installed"),),
                test=(("sh", "check.sh"),),
                manifests=("mine.project",),
            )
        )
"""

# What derives from the toolchain and has no command of its own.
_DERIVED = """
import json, pathlib, sys
from autopack.agents.isolation import isolated_environment
from autopack.environments.environment import is_manifest
from autopack.process.child_environment import child_environment
from autopack.repair.classify.classifier import classify_check
from autopack.toolchains.runner import Told
from autopack.toolchains.runners import read_results
from autopack.toolchains.toolchain_registry import toolchains
from autopack.workspace.content.byproducts import byproduct_folder
from autopack.workspace.protected_tests import _kind

given = {"MINE_FLAGS": "1", "MINE_PROFILE": "2", "MINE_TOKEN": "abc", "PATH": "/bin"}
def seen(**how):
    return sorted(name for name in child_environment(given, **how) if name.startswith("MINE"))
home = pathlib.Path(sys.argv[1])
told = Told(("mine", "test"), 1, "BAD a\\nmine: 1 bad\\n", home / "none")
print(json.dumps({
    "environment": seen(),
    "installing": seen(installing=True),
    "home": isolated_environment(
        {"HOME": str(home)}, home=home, worktree=home, base_url=None
    ).get("MINE_HOME"),
    "stale": [is_manifest(name) for name in ("a/mine.project", "mine.lock", "mine.other")],
    "red": str(classify_check(exit_status=1, output="mine: 2 bad\\n").cause),
    "message": str(classify_check(exit_status=1, output="mine cannot read line 3\\n").cause),
    "failed": sorted(read_results(told).failed),
    "byproduct": byproduct_folder("a/.mine-out/x"),
    "test": _kind("src/parser_check.mine"),
}))
"""
# All commands in one process, for starting one costs more than most of them do.
_COMMANDS = """
import contextlib, io, json, os, sys
from deployments.cli import run_command

for variables, *words in json.load(sys.stdin):
    os.environ.update(variables)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run_command([*words, "--json"])
    for name in variables:
        del os.environ[name]
    print(json.dumps([code, json.loads(out.getvalue())]))
"""
Command = tuple[dict[str, str] | str, ...]


def _python(
    code: str, *words: str, env: dict[str, str], cwd: Path, told: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=cwd,
        env=env,
        input=told,
        capture_output=True,
        text=True,
        check=False,
    )


def _answers(*commands: str | Command, env: dict[str, str], cwd: Path) -> list[tuple[int, Any]]:
    """The exit codes and answers of command lines, each with variables of its own before it."""
    told = [({}, *one.split()) if isinstance(one, str) else one for one in commands]
    done = _python(_COMMANDS, env=env, cwd=cwd, told=json.dumps(told))
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two installed packages of one file each."""
    folder = tmp_path_factory.mktemp("site")
    install(
        folder,
        "own_pattern",
        PATTERN,
        "[autopack.failure_patterns]\nno_flux = own_pattern:NoFlux\n",
    )
    install(
        folder, "own_toolchain", TOOLCHAIN, "[autopack.toolchains]\nmine = own_toolchain:Mine\n"
    )
    return folder


@pytest.fixture
def env(site: Path, tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path / "home", site)


def test_a_pattern_of_one_file_is_listed_and_matches(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "log").write_text("flux is empty\n")
    match = ("patterns", "match", "log")
    off = {"AUTOPACK_DISABLE_PATTERNS": "no_flux"}
    listed, found, without = _answers(
        "patterns list", ({}, *match), (off, *match), env=env, cwd=tmp_path
    )
    rows = {row["pattern_id"]: row for row in listed[1]["patterns"]}
    assert rows["no_flux"]["summary"] == "the flux is not charged: charge it"
    assert (found[1]["pattern_id"], without[1]["pattern_id"]) == ("no_flux", None)


def test_a_toolchain_of_one_file_is_detected_named_and_found(
    env: dict[str, str], tmp_path: Path
) -> None:
    project = tmp_path / "project"
    (project / "sub").mkdir(parents=True)
    (project / "sub" / "mine.project").write_text("")
    (project / "sub" / "a.mine").write_text("x" * 99)
    (tmp_path / "plan.md").write_text("# Faster\n\n1. Change sub/a.mine.\n\nRun `mine test -q`.\n")
    (tmp_path / "log").write_text("mine: nothing at '/work/mine.project'\n")
    (_, found), (_, plan), (_, matched) = _answers(
        "toolchain project",
        "plan normalise plan.md --repo project --accept-low-confidence",
        "patterns match log --repo project",
        env=env,
        cwd=tmp_path,
    )
    assert [(one["name"], one["path"]) for one in found["toolchains"]] == [("mine", "sub")]
    assert found["unsupported_language"] is None
    assert ["mine", "test", "-q"] in plan["validation"]
    places = [(one["pattern_id"], one["captured"]["found_in"]) for one in matched["matches"]]
    assert places == [("wrong_working_dir", "sub")]


def test_everything_else_asks_the_toolchain_too(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".mine").mkdir()
    done = _python(_DERIVED, str(tmp_path), env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "environment": ["MINE_FLAGS"],
        "installing": ["MINE_FLAGS", "MINE_TOKEN"],
        "home": str(tmp_path / ".mine"),
        "stale": [True, True, False],
        "red": "assertion_failure",
        "message": "syntax_error",
        "failed": ["a"],
        "byproduct": "a/.mine-out",
        "test": "test",
    }


@pytest.mark.parametrize(
    ("entry", "said"), [("broken:Gone", "does not load"), ("json:dumps", "is not a toolchain")]
)
def test_a_toolchain_that_does_not_load_is_one_line(entry: str, said: str, tmp_path: Path) -> None:
    install(tmp_path, "broken", "", f"[autopack.toolchains]\nmine = {entry}\n")
    env = environment(tmp_path / "home", tmp_path)
    [(code, answer)] = _answers("toolchain .", env=env, cwd=tmp_path)
    assert (code, answer["error"]["field"]) == (2, "autopack.toolchains")
    assert said in answer["error"]["message"]


@pytest.mark.slow
def test_a_run_installs_and_checks_by_the_toolchain(
    env: dict[str, str], tmp_path: Path, prefect_api: str
) -> None:
    check = "test -f .mine-out/installed && grep -q HELLO words.txt\n"
    files = {"mine.project": "", "check.sh": check, "words.txt": "hello\n", "a.mine": "x" * 999}
    repository = make_repository(tmp_path / "repository", files)
    plan = {
        "goal": "Words are loud",
        "phases": [{"id": "one", "instructions": "Say HELLO.", "deliverables": ["words.txt"]}],
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    template = "template=sh -c 'echo HELLO > words.txt'"
    words = ("run", "plan.json", "--repo", str(repository), "--builder", "command")
    done = subprocess.run(
        [Path(sys.executable).with_name("autopack"), *words, "--set", template, "--json"],
        cwd=tmp_path,
        env=env | {"PREFECT_API_URL": prefect_api},
        capture_output=True,
        text=True,
        check=False,
    )
    run = json.loads(done.stdout)
    assert (done.returncode, run.get("state")) == (0, "DONE_SUCCESS"), done.stderr + done.stdout


SETTING = (
    'GREETING = Variable("AUTOPACK_GREETING", Role.CHANGES_RUNS, "how it greets",'
    ' choice("loud", "plain"), "plain")\n'
)
COLUMN = (
    '    audio_tokens: int | None = column(sa.BigInteger(), "tokens of sound", unset=None,'
    " summed=True)\n"
)
MIGRATION = '''"""Tokens of sound."""

import sqlalchemy as sa

from autopack.store.migrations.summed_column import add_ledger_column

revision = "9000"
down_revision = "{head}"
branch_labels = None
depends_on = None
oldest_code = "{head}"


def upgrade() -> None:
    add_ledger_column(sa.Column("audio_tokens", sa.BigInteger()), summed=True)
'''
USAGE = """\
run_id,model,input_tokens,output_tokens,audio_tokens
heard,m,1,2,30
heard,m,1,2,
heard,m,1,2,12
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with one more setting, a line, and one more column: a line and a migration."""
    folder = tmp_path_factory.mktemp("copy")
    for layer in ("autopack", "blocks", "tasks", "flows", "deployments"):
        shutil.copytree(ROOT / layer, folder / layer, ignore=shutil.ignore_patterns("__pycache__"))
    _add_line(folder / "autopack" / "settings.py", SETTING, before="def _mark(")
    _add_line(folder / "autopack" / "store" / "usage_event.py", COLUMN, before="\n\ndef _declared(")
    versions = folder / "autopack" / "store" / "migrations" / "versions"
    head = max(path.name for path in versions.glob("[0-9]*.py"))[:4]
    (versions / "9000_sound.py").write_text(MIGRATION.format(head=head))
    return folder


def _add_line(file: Path, line: str, *, before: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert (line.count("\n"), text.count(before)) == (1, 1)
    file.write_text(text.replace(before, line + before), encoding="utf-8")


def test_a_setting_is_one_line(copy: Path, tmp_path: Path) -> None:
    env = environment(tmp_path / "home", copy)
    (code, health), (refusal, refused) = _answers(
        ({"AUTOPACK_GREETING": "loud"}, "health"),
        ({"AUTOPACK_GREETING": "odd"}, "runs"),
        env=env,
        cwd=tmp_path,
    )
    assert (code, health["settings"]["AUTOPACK_GREETING"]) == (0, "loud")
    assert (refusal, refused["error"]["field"]) == (2, "AUTOPACK_GREETING")
    assert refused["error"]["hint"] == "use loud or plain"
    done = _python(
        "from autopack.settings import *; from support.reference.settings import page\n"
        "print('AUTOPACK_GREETING' in of_role(Role.CHANGES_RUNS), 'how it greets' in page())",
        env=env,
        cwd=tmp_path,
    )
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_a_column_of_the_ledger_is_one_line_and_one_migration(
    copy: Path, tmp_path: Path, empty_database_url: str
) -> None:
    (tmp_path / "usage.csv").write_text(USAGE)
    env = environment(tmp_path / "home", copy) | {"DATABASE_URL": empty_database_url}
    answers = _answers(
        "db upgrade",
        "import usage.csv",
        "db check",
        "tokens heard",
        "db retain --older-than 0d --yes",
        "db check",
        "tokens heard",
        env=env,
        cwd=tmp_path,
    )
    assert [code for code, _ in answers] == [0] * 7, answers
    for _, told in (answers[3], answers[6]):
        assert (told["spent"]["audio"], told["spent"]["total"]) == (42, 9)
