"""Phases one after another: what Prefect hears of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect import tags
from support.phases_in_prefect import executed, phases_of, stand_ins_of, subflows_of, three_phases
from support.projects import call, make_project

# The engine of the application database makes no difference to what Prefect hears.
pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


async def test_each_phase_is_one_subflow_that_runs_from_its_beginning(
    home: Path, tmp_path: Path
) -> None:
    run = await executed(three_phases(tmp_path))

    assert run["state"] == "DONE_SUCCESS"
    assert await phases_of(run) == [
        (f"{name} ({run['run_id']})", ["Running", "Completed"]) for name in ("p0", "p1", "p2")
    ]
    stands_for = await stand_ins_of(run)
    assert [one.name for one in stands_for] == [name for name, _ in await phases_of(run)]
    assert {one.state_name for one in stands_for} == {"Completed"}
    subflows = sorted(await subflows_of(run["flow_run_id"]), key=lambda one: one.name)
    assert [one.parent_task_run_id for one in subflows] == [one.id for one in stands_for]


async def test_the_flow_runs_of_phases_have_the_tags_of_who_calls(
    home: Path, tmp_path: Path
) -> None:
    with tags("mine"):
        run = await executed(three_phases(tmp_path))
    assert [set(one.tags) for one in await subflows_of(run["flow_run_id"])] == [{"mine"}] * 3


async def test_a_limit_on_the_time_of_a_run_ends_its_phase_in_prefect(
    home: Path, tmp_path: Path
) -> None:
    from flows import execute_run

    project = make_project(tmp_path, {"one": [[call(7), {"delay": 60}]]})
    state = await execute_run.with_options(timeout_seconds=5)(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        run_id="limited-phase",
        return_state=True,
    )
    assert state.name == "TimedOut"
    assert state.state_details.flow_run_id is not None
    (phase,) = await subflows_of(str(state.state_details.flow_run_id))
    assert phase.state_name == "Crashed"
