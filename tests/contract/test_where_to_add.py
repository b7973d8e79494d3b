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
from support.packages import environment, install
from support.projects import make_repository

PATTERN = """
from autopack.repair.patterns.protocol import Evidence, Match, Proposal


class NoFlux:
    pattern_id = "no_flux"
    priority = 2
    summary = "the flux is not charged: charge it"

    def detect(self, evidence: Evidence) -> Match | None:
        return Match("no_flux", 2, {"by": "text"}) if "flux is empty" in evidence.text else None

    def propose(self, evidence: Evidence, match: Match) -> Proposal:
        return Proposal("no_flux", suggestions=("charge it",))
"""
TOOLCHAIN = """
import re

from autopack.model.causes import FailureCause
from autopack.toolchains import Detected, Found, Missed, Toolchain
from autopack.toolchains.runner import Results, Runner


class MineTest(Runner):
    name = "mine test"
    programs = ("mine",)
    marker = re.compile(r"^mine: \\\\d+ bad$", re.MULTILINE)
    red = (r"^mine: [1-9]\\\\d{0,6} bad$",)

    def results(self, told):
        failed = frozenset(re.findall(r"^BAD (\\\\S+)$", told.output, re.MULTILINE))
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
    variables = (r"MINE_\\\\w+",)
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
""".replace("\\\\\\\\", "\\\\")

# What derives from the toolchain and has no command of its own.
_DERIVED = """
import json, pathlib, sys
from autopack.agents.isolation import isolated_environment
from autopack.environments.environment import is_manifest
from autopack.process.child_environment import child_environment
from autopack.repair.classify import classify_check
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
_COMMAND = (
    "import sys; from deployments.cli import run_command; sys.exit(run_command(sys.argv[1:]))"
)


def _python(
    code: str, *words: str, env: dict[str, str], cwd: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def _answer(*words: str, env: dict[str, str], cwd: Path) -> tuple[int, Any]:
    done = _python(_COMMAND, *words, "--json", env=env, cwd=cwd)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


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
    code, listed = _answer("patterns", "list", env=env, cwd=tmp_path)
    rows = {row["pattern_id"]: row for row in listed["patterns"]}
    assert (code, rows["no_flux"]["enabled"]) == (0, True)
    (tmp_path / "log").write_text("flux is empty\n")
    assert _answer("patterns", "match", "log", env=env, cwd=tmp_path)[1]["pattern_id"] == "no_flux"
    off = env | {"AUTOPACK_DISABLE_PATTERNS": "no_flux"}
    assert _answer("patterns", "match", "log", env=off, cwd=tmp_path)[1]["pattern_id"] is None


def test_a_toolchain_of_one_file_is_detected_named_and_found(
    env: dict[str, str], tmp_path: Path
) -> None:
    project = tmp_path / "project"
    (project / "sub").mkdir(parents=True)
    (project / "sub" / "mine.project").write_text("")
    (project / "sub" / "a.mine").write_text("x" * 99)
    found = _answer("toolchain", "project", env=env, cwd=tmp_path)[1]
    assert [(one["name"], one["path"]) for one in found["toolchains"]] == [("mine", "sub")]
    assert found["unsupported_language"] is None
    (tmp_path / "plan.md").write_text("# Faster\n\n1. Change sub/a.mine.\n\nRun `mine test -q`.\n")
    words = ("plan", "normalise", "plan.md", "--repo", "project", "--accept-low-confidence")
    assert ["mine", "test", "-q"] in _answer(*words, env=env, cwd=tmp_path)[1]["validation"]
    (tmp_path / "log").write_text("mine: nothing at '/work/mine.project'\n")
    words = ("patterns", "match", "log", "--repo", "project")
    matched = _answer(*words, env=env, cwd=tmp_path)[1]["matches"]
    assert [(one["pattern_id"], one["captured"]["found_in"]) for one in matched] == [
        ("wrong_working_dir", "sub")
    ]


def test_everything_else_asks_the_toolchain_too(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".mine").mkdir()
    done = _python(_DERIVED, str(tmp_path), env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "environment": ["MINE_FLAGS"],
        "installing": ["MINE_FLAGS", "MINE_TOKEN"],
        "home": str(tmp_path / ".mine"),
        "stale": [True, True, False],
        "red": "ASSERTION_FAILURE",
        "message": "SYNTAX_ERROR",
        "failed": ["a"],
        "byproduct": "a/.mine-out",
        "test": "test",
    }


def test_a_toolchain_that_does_not_load_is_one_line(tmp_path: Path) -> None:
    for entry, said in [("broken:Gone", "does not load"), ("json:dumps", "is no toolchain")]:
        folder = tmp_path / said.split()[-1]
        folder.mkdir()
        install(folder, "broken", "", f"[autopack.toolchains]\nmine = {entry}\n")
        code, answer = _answer(
            "toolchain", ".", env=environment(tmp_path / "home", folder), cwd=tmp_path
        )
        assert (code, answer["error"]["field"]) == (2, "autopack.toolchains")
        assert said in answer["error"]["message"]


@pytest.mark.slow
def test_a_run_installs_and_checks_by_the_toolchain(
    env: dict[str, str], tmp_path: Path, prefect_api: str
) -> None:
    check = "test -f .mine-out/installed && grep -q HELLO words.txt\n"
    files = {"mine.project": "", "check.sh": check, "words.txt": "hello\n"}
    repository = make_repository(tmp_path / "repository", files)
    plan = {
        "goal": "Words are loud",
        "phases": [{"id": "one", "instructions": "Say HELLO.", "deliverables": ["words.txt"]}],
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    template = "template=sh -c 'echo HELLO > words.txt'"
    words = ("run", "plan.json", "--repo", str(repository), "--builder", "command")
    code, run = _answer(
        *words, "--set", template, env=env | {"PREFECT_API_URL": prefect_api}, cwd=tmp_path
    )
    assert (code, run["state"]) == (0, "DONE_SUCCESS"), run


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
    code, health = _answer("health", env=env | {"AUTOPACK_GREETING": "loud"}, cwd=tmp_path)
    assert (code, health["settings"]["AUTOPACK_GREETING"]) == (0, "loud")
    code, refused = _answer("runs", env=env | {"AUTOPACK_GREETING": "odd"}, cwd=tmp_path)
    assert (code, refused["error"]["field"]) == (2, "AUTOPACK_GREETING")
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
    steps: dict[str, Any] = {}
    for words in (
        ("db", "upgrade"),
        ("import", "usage.csv"),
        ("db", "check"),
        ("tokens", "heard"),
        ("db", "retain", "--older-than", "0d", "--yes"),
        ("db", "check"),
        ("tokens", "heard"),
    ):
        code, steps[" ".join(words)] = _answer(*words, env=env, cwd=tmp_path)
        assert code == 0, (words, steps)
    spent = steps["tokens heard"]["spent"]
    assert (spent["audio"], spent["total"]) == (42, 9)
