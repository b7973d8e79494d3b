"""Known failures on real repositories: without the feature the run fails, with it no model helps.

In every row the first build is wrong in a way that nobody knows, so that a doctor would have been
asked about the second.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.projects import PYTEST_SETUP, Project, git, make_project

from autopack.store.database.engine import Database
from autopack.store.mitigations import get_mitigations

pytestmark = pytest.mark.slow

USES_SIX = "import six\n\n\ndef text() -> str:\n    return six.ensure_str(b'ready')\n"
TEST = """import unittest


class Works(unittest.TestCase):
    def test_it(self):
        from work import text

        self.assertEqual(text(), "ready")
"""
READY = 'def text():\n    return "ready"\n'
WRONG = 'def text():\n    return "wrong"\n'


@dataclass(frozen=True)
class Case:
    """A repository, what is checked, and a second build that trips over a known failure."""

    pattern_id: str
    check: str
    build: Mapping[str, str | None]
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    first: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    setup: tuple[str, ...] = ()
    phase: Mapping[str, Any] = field(default_factory=dict[str, Any])


CASES = [
    Case(
        "python_missing_dep",
        "python -m unittest -q",
        {"work.py": USES_SIX},
        {"requirements.txt": "six\n", "test_work.py": TEST},
        {"work.py": WRONG},
    ),
    Case(
        "node_missing_dep",
        "node test.js",
        {"test.js": "if (!require('is-number')(5)) process.exit(1)\n"},
        {
            "package.json": '{"name": "x", "version": "1.0.0", "dependencies": {"is-number": "*"},'
            ' "scripts": {"test": "node test.js"}}\n',
            ".gitignore": "node_modules\n",
        },
        {"test.js": "process.exit(1)\n"},
    ),
    Case(
        "wrong_working_dir",
        "npm test",
        {"app/test.js": "process.exit(0)\n"},
        {"app/package.json": '{"name": "x", "scripts": {"test": "node test.js"}}\n'},
        {"app/test.js": "process.exit(1)\n"},
    ),
    Case(
        "scope_mismatch",
        "python -m unittest -q",
        {"work.py": READY, "stray/notes.txt": "mine\n", "README.md": None},
        {"README.md": "hello\n", "test_work.py": TEST, "requirements.txt": ""},
        {"work.py": WRONG},
        phase={"scope": {"paths": ["work.py"]}},
    ),
    Case(
        "missing_test_discovery",
        "python -m pytest -q tests/unit",
        {"work.py": READY, "tests/unit/test_work.py": None},
        {"tests/test_work.py": TEST, "tests/unit/test_work.py": TEST, "requirements.txt": ""},
        {"work.py": WRONG},
        setup=(PYTEST_SETUP,),
    ),
    Case(
        "permission_error",
        "./run.sh",
        {"run.sh": "#!/bin/sh\nexit 0\n"},
        {"README.md": "hello\n"},
        {"README.md": "no script yet\n"},
    ),
]


@pytest.fixture
def engine_name() -> str:
    """SQLite alone: what is shown here happens in worktrees and environments."""
    return "sqlite"


def project_of(case: Case, folder: Path, doctor: str = "off") -> Project:
    builds = [[{"files": dict(case.first)}], [{"files": dict(case.build)}]]
    return make_project(
        folder,
        {"one": builds},
        files=case.files,
        plan={"setup": list(case.setup), "policy": {"doctor": doctor}},
        phase={"validate": [case.check], "budget": {"attempts": 2}, **case.phase},
    )


async def run(project: Project, run_id: str, *features: str) -> dict[str, Any]:
    from flows import execute_run

    return await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        features=list(features),
        run_id=run_id,
    )


def mitigations_of(run_id: str) -> list[Any]:
    db = Database.open(os.environ["DATABASE_URL"])
    try:
        return get_mitigations(db, run_id)
    finally:
        db.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.pattern_id)
async def test_a_known_failure_is_met_without_a_model(
    home: Path, tmp_path: Path, case: Case
) -> None:
    off = await run(project_of(case, tmp_path / "off"), "off")
    assert off["state"].startswith("DONE_FAILED_"), off
    assert mitigations_of("off") == []

    project = project_of(case, tmp_path / "on", doctor="script")
    on = await run(project, "on", "failure_hardening")

    assert on["state"] == "DONE_SUCCESS", on
    assert on["tokens"]["total"] == 0
    mitigation = mitigations_of("on")[-1]
    assert mitigation["pattern_id"] == case.pattern_id
    assert (mitigation["success"], mitigation["fixed"]) == (True, True)
    assert mitigation["doctor_call_skipped"] is True
    assert mitigation["doctor_model"] in ("cheap", "strong")
    (phase,) = on["phases"]
    assert phase["attempts"] == 2
    assert [d["kind"] for d in phase["decisions"]][-3:] == ["retry", "mitigate", "complete"]
    # The branch holds the agent's work and nothing that an installer left.
    changed = git(project.repository, "diff", "--name-only", "main", "autopack/on").split()
    assert set(changed) <= {*case.first, *case.build} - {"stray/notes.txt"}


async def test_what_does_not_help_is_undone(home: Path, tmp_path: Path) -> None:
    """The distribution that the manifest asks for does not provide the module."""
    case = Case(
        "python_missing_dep",
        "python -m unittest -q",
        {"work.py": "import yaml\n\n\n" + READY},
        {"requirements.txt": "PyYAML==999.0\n", "test_work.py": TEST},
        {"work.py": WRONG},
    )
    answer = await run(project_of(case, tmp_path), "undone", "failure_hardening")
    assert answer["state"] == "DONE_FAILED_REQUIRES_HUMAN_REVIEW"
    (mitigation,) = mitigations_of("undone")
    assert (mitigation["success"], mitigation["fixed"]) == (False, False)
    assert mitigation["doctor_call_skipped"] is False
    assert not (home / "runs" / "undone" / "before-mitigation").exists()


async def test_a_pattern_that_is_switched_off_does_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOPACK_DISABLE_PATTERNS", "scope_mismatch, permission_error")
    answer = await run(project_of(CASES[5], tmp_path), "less", "failure_hardening")
    assert answer["state"].startswith("DONE_FAILED_")
    assert mitigations_of("less") == []


async def test_an_unlisted_distribution_is_installed_only_with_leave(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(
        "python_missing_dep",
        "python -m unittest -q",
        {"work.py": USES_SIX},
        {"requirements.txt": "", "test_work.py": TEST},
        {"work.py": WRONG},
    )
    refused = await run(project_of(case, tmp_path / "a"), "refused", "failure_hardening")
    assert refused["state"].startswith("DONE_FAILED_")
    (mitigation,) = mitigations_of("refused")
    assert "AUTOPACK_INSTALL_UNLISTED" in mitigation["suggestions"][0]

    monkeypatch.setenv("AUTOPACK_INSTALL_UNLISTED", "true")
    allowed = await run(project_of(case, tmp_path / "b"), "allowed", "failure_hardening")
    assert allowed["state"] == "DONE_SUCCESS"
