"""Values that no file, no calendar and no database takes: refused by name, nothing changed.

A row is what is typed, variables first, and the field that the answer names. PLAN, REPO and
RECORDING stand for those of a project.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
from support.projects import call, fingerprint, make_project

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
TABLES = {"no such user": HOMES, "a long name": NAMES, "no database": DATABASES}
ROWS = [
    pytest.param(typed, field, id=f"{kind}: {typed.replace(LONG, 'LONG')}")
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

    code = run_command([*words, "--json"])
    said = json.loads(capsys.readouterr().out)["error"]

    assert (code, said["field"]) == (2, field), said
    assert said["hint"]
    assert fingerprint(project.repository) == before
    assert set(tmp_path.iterdir()) - files <= {tmp_path / "home"}


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
