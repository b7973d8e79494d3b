"""How much a phase asks of the Prefect server, where writes that meet wait for one another."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.api_calls import counted
from support.projects import call, make_project

MOST_A_PHASE = 4
"""Three of them make and end a subflow; progress is shown once in some seconds."""

FEW, MANY = 1, 4


@pytest.fixture
def engine_name() -> str:
    """SQLite alone: it is Prefect's server that is asked."""
    return "sqlite"


async def calls_of_a_run(folder: Path, phases: int) -> Counter[str]:
    from flows import execute_run

    project = make_project(
        folder,
        {f"phase-{number}": [[call(1)]] for number in range(phases)},
        phase={"validate": ["true"]},
    )
    with counted() as calls:
        run: dict[str, Any] = await execute_run(
            plan=str(project.plan),
            repo=str(project.repository),
            builder_options=f"recording={project.recording}",
        )
    assert run["state"] == "DONE_SUCCESS"
    return calls


async def test_a_phase_makes_few_calls(home: Path, tmp_path: Path) -> None:
    few = await calls_of_a_run(tmp_path / "few", FEW)
    many = await calls_of_a_run(tmp_path / "many", MANY)
    # Logs are sent by time, not by phase; some calls a process makes once.
    more = {path: max(n - few[path], 0) for path, n in many.items() if "/logs" not in path}
    a_phase = sum(more.values()) / (MANY - FEW)
    assert a_phase <= MOST_A_PHASE, sorted(more.items())
