"""Values that no file, no calendar and no database takes: refused by name, nothing changed.

A row is what is typed, variables first, and the field that the answer names. PLAN, REPO and
RECORDING stand for those of a project.
"""

from __future__ import annotations

import ast
import errno
import io
import json
import re
import shlex
import sys
from importlib import import_module
from pathlib import Path

import pytest
from support.projects import call, fingerprint, make_project

import deployments.cli
from deployments.cli import run_command

ROOT = Path(import_module("autopack").__file__ or "").parent.parent
NOBODY = "~nosuchuser/x"
LONG = "a" * 300
RUN = "run PLAN --repo REPO --set recording=RECORDING"
ASK = "research run Why? --repo REPO"

Rows = list[tuple[str, str]]

HOMES: Rows = [
    (f"AUTOPACK_HOME={NOBODY} runs", "AUTOPACK_HOME"),
    (f"AUTOPACK_SANDBOX_READABLE={NOBODY} runs", "AUTOPACK_SANDBOX_READABLE"),
    (f"plan check {NOBODY}", "plan"),
    (f"run {NOBODY} --repo REPO", "plan"),
    (f"run PLAN --repo {NOBODY}", "repo"),
    (f"ab run {NOBODY}", "spec"),
    (f"run PLAN --repo REPO --set recording={NOBODY}", "recording"),
    (f"{RUN} --push {NOBODY}", "push"),
    (f"{ASK} --source folder:{NOBODY}", "source"),
]
NAMES: Rows = [
    (f"AUTOPACK_HOME={LONG} runs", "AUTOPACK_HOME"),
    (f"DATABASE_URL=sqlite:///{LONG}.db runs", "DATABASE_URL"),
    (f"toolchain {LONG}", "directory"),
    (f"run PLAN --repo {LONG}", "repo"),
    (f"run PLAN --repo REPO --set recording={LONG}", "recording"),
    (f"{RUN} --push {LONG}", "push"),
    (f"plan init {LONG}.yaml --from x", "file"),
    (f"plan init new.yaml --from x --repo {LONG}", "repo"),
    (f"plan normalise PLAN --repo {LONG}", "repo"),
    (f"patterns list --repo {LONG}", "repo"),
    (f"{ASK} --source folder:{LONG}", "source"),
    (f"{ASK} --out {LONG}", "out"),
]
DATABASES: Rows = [
    ("DATABASE_URL=foo runs", "DATABASE_URL"),
    (f"DATABASE_URL=foo {RUN}", "DATABASE_URL"),
    (f"DATABASE_URL=foo {RUN} --dry-run", "DATABASE_URL"),
]
TIMES: Rows = [
    (f"{typed} {time}", field)
    for typed, field in (
        ("usage --since", "--since"),
        ("usage --until", "--until"),
        ("metrics --since", "--since"),
        ("metrics --until", "--until"),
        ("metrics --savings --since", "--since"),
        ("patterns mine --since", "--since"),
        ("replay --dry-run --since", "since"),
        ("replay --dry-run --until", "until"),
        ("api keys create k --expires", "--expires"),
    )
    for time in ("0001-01-01T00:00+23:00", "9999-12-31T23:59-23:00")
]
AGES: Rows = [
    ("clean --older-than 999999w", "--older-than"),
    ("db retain --older-than 999999w", "--older-than"),
    # 0001-01-01T00:00:00+23:00 x
    ("runs --after MDAwMS0wMS0wMVQwMDowMDowMCsyMzowMCB4", "after"),
]
NUMBERS: Rows = [
    (typed.format(number), field)
    for typed, field in (
        ("api audit --after {}", "after"),
        ("patterns hits --after {}", "after"),
        ("patterns judge {} right", "hit"),
        ("review judge {} right", "review"),
    )
    for number in ("0", str(2**31), "9" * 30, "0" * 11 + "1" + "9" * 20)
]
SEEDS: Rows = [
    ("ab power --sd 0.5 --seed -1", "seed"),
    ("ab selftest --seed -1", "seed"),
]
ADDRESSES: Rows = [
    (f"notify test --url '{url}'", "url")
    for url in ("http://", "http://[::1/", "http://a:99999/", "http://a b/", "ftp://a/", "a")
]
BYTES: Rows = [
    ("show \udcff", "run_id"),
    ("show --json \udcff", "run_id"),
    ("tokens \udcff", "run_id"),
    ("ab analyse \udcff", "test"),
    ("patterns hits \udcff", "pattern"),
    ("run PLAN --repo t/\udcffrepo", "repo"),
    ("run PLAN --repo REPO --model \udcff", "model"),
    ("plan init new.yaml --from 'caf\udce9 do'", "from"),
    ("logs RUN --limit \udcff", "argument 4"),
    ("AUTOPACK_HOME=\udcff runs", "AUTOPACK_HOME"),
    ("AUTOPACK_OPERATOR=\udcff runs", "AUTOPACK_OPERATOR"),
    ("DATABASE_URL=sqlite:///\udcff runs", "DATABASE_URL"),
]
# What a script types whose variable is not set.
EMPTY: Rows = [
    (typed.format(given), field)
    for typed, field in (
        (f"{RUN} --commit{{}}", "commit"),
        (f"{RUN} --model{{}}", "model"),
        (f"{RUN} --run-id{{}}", "run_id"),
        (f"{RUN} --campaign{{}}", "campaign"),
        (f"{RUN} --push{{}} --dry-run", "push"),
        ("run PLAN --repo{}", "repo"),
        ("runs --after{}", "after"),
        ("usage --since{}", "since"),
        (f"{ASK} --out{{}}", "out"),
    )
    for given in (" ''", "=", " ' '")
]
TABLES = {
    "no such user": HOMES,
    "a long name": NAMES,
    "no database": DATABASES,
    "no such time": TIMES,
    "no such age": AGES,
    "no number of a row": NUMBERS,
    "no seed": SEEDS,
    "no address": ADDRESSES,
    "no text": BYTES,
    "empty": EMPTY,
}
ROWS = [
    pytest.param(typed, field, id=f"{kind}: {typed.replace(LONG, 'LONG')!a}")
    for kind, table in TABLES.items()
    for typed, field in table
]


@pytest.mark.parametrize(("typed", "field"), ROWS)
def test_it_is_refused_by_name(
    typed: str,
    field: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOPACK_HOME", str(tmp_path / "home"))
    project = make_project(tmp_path / "project", {"one": [[call(5)]]})
    for name, place in (
        ("PLAN", project.plan),
        ("REPO", project.repository),
        ("RECORDING", project.recording),
    ):
        typed = re.sub(rf"\b{name}\b", str(place), typed)
    words = shlex.split(typed)
    while re.match(r"[A-Z_]+=", words[0]):
        monkeypatch.setenv(*words.pop(0).split("=", 1))
    before, files = fingerprint(project.repository), set(tmp_path.iterdir())

    code = run_command([*words, *(["--json"] if "--json" not in words else [])])
    said = json.loads(capsys.readouterr().out)["error"]

    assert (code, said["field"]) == (2, field), said
    assert said["hint"]
    assert fingerprint(project.repository) == before
    assert set(tmp_path.iterdir()) - files <= {tmp_path / "home"}


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])  # as locales have them
def test_a_password_is_text(
    errors: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AUTOPACK_HOME", str(tmp_path / "home"))
    typed = io.TextIOWrapper(io.BytesIO(b"a long \xff word\n"), encoding="utf-8", errors=errors)
    monkeypatch.setattr(sys, "stdin", typed)
    assert run_command(["api", "user", "add", "bob", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["field"] == "password"


def test_a_long_name_that_no_command_looks_for_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENAMETOOLONG, "File name too long", LONG)

    monkeypatch.setattr(deployments.cli, "app", fail)
    assert run_command(["runs"]) == 2
    assert LONG in capsys.readouterr().err


def test_one_function_expands_the_home_of_a_user() -> None:
    found = {
        f"{path.relative_to(ROOT)}"
        for layer in ("autopack", "blocks", "tasks", "flows", "deployments")
        for path in sorted((ROOT / layer).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "expanduser"
    }
    # Before a command is handed over nothing is loaded; that of os.path raises nothing.
    assert found == {"autopack/model/locations.py", "deployments/warm/handing_over.py"}
