"""Tests that were red before a run began: ignored where validation was inferred."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.projects import PYTEST_SETUP, make_project

RED = "".join(f"def test_red_{n}():\n    assert {n} == 0\n\n\n" for n in (1, 2, 3))
FILES = {
    "pyproject.toml": '[project]\nname = "x"\nversion = "1"\n\n[tool.pytest.ini_options]\n'
    'testpaths = ["tests"]\n',
    "tests/test_old.py": RED + "def test_green():\n    assert True\n",
    "value.py": "VALUE = 1\n",
}
FEATURE = {"tests/test_new.py": "def test_new():\n    assert True\n"}
STOPS = {
    "pyproject.toml": FILES["pyproject.toml"] + 'addopts = "-x"\n',
    "tests/test_old.py": RED + "def test_green():\n    assert False\n",
}
BREAKS = {"tests/test_old.py": RED + "def test_green():\n    assert False\n"}


@pytest.fixture
def engine_name() -> str:
    """SQLite alone: what is shown here happens in a worktree."""
    return "sqlite"


# what the build changes, what the phase names, how the run ends
@pytest.mark.parametrize(
    ("changes", "phase", "state", "kinds"),
    [
        (FEATURE, {}, "DONE_SUCCESS", ["baseline", "complete"]),
        # a fourth test breaks
        (BREAKS, {}, "DONE_FAILED_REQUIRES_HUMAN_REVIEW", ["stop"]),
        # and the old failures come first, where the project stops at the first failure
        (BREAKS | STOPS, {}, "DONE_FAILED_REQUIRES_HUMAN_REVIEW", ["stop"]),
        # one of the tests that passed is lost
        ({"tests/test_old.py": RED}, {}, "DONE_FAILED_REQUIRES_HUMAN_REVIEW", ["stop"]),
        # nothing changes
        ({}, {}, "DONE_FAILED_REQUIRES_HUMAN_REVIEW", ["stop"]),
        # the plan names the command
        (
            FEATURE,
            {"validate": ["python -m pytest -q"]},
            "DONE_FAILED_REQUIRES_HUMAN_REVIEW",
            ["stop"],
        ),
        # and it exits with 0 once everything is mended
        (
            {"tests/test_old.py": "def test_green():\n    assert True\n"},
            {"validate": ["python -m pytest -q"]},
            "DONE_SUCCESS",
            ["complete"],
        ),
    ],
)
async def test_an_attempt_answers_for_what_it_broke(
    home: Path,
    tmp_path: Path,
    changes: dict[str, str],
    phase: dict[str, Any],
    state: str,
    kinds: list[str],
) -> None:
    from flows import execute_run

    project = make_project(
        tmp_path,
        {"one": [[{"files": changes}] if changes else [{"output": "nothing to do"}]]},
        files=FILES,
        plan={"setup": [PYTEST_SETUP]},
        phase={"validate": None, "budget": {"attempts": 1}, **phase},
    )
    text = project.plan.read_text().replace("  validate: null\n", "")
    project.plan.write_text(text)
    answer = await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
    )
    assert answer["state"] == state, answer
    assert [d["kind"] for d in answer["phases"][0]["decisions"]] == kinds
