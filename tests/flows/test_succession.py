"""Phases one after another: what Prefect hears of each, and what is begun before it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import get_client, tags
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.objects import FlowRun
from support.projects import Project, call, make_project

# The engine of the application database makes no difference to what Prefect hears.
pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


async def executed(project: Project) -> dict[str, Any]:
    from flows import execute_run

    return await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
    )


def three_phases(folder: Path, **phase: Any) -> Project:
    builds = {f"p{number}": [[call(7), {"files": {f"f{number}": "1"}}]] for number in range(3)}
    return make_project(folder, builds, phase=phase)


async def subflows_of(flow_run_id: str) -> list[FlowRun]:
    parent = FlowRunFilterParentFlowRunId(any_=[UUID(flow_run_id)])
    async with get_client() as client:
        return await client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))


async def phases_of(run: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """The subflows of a run in the order they were registered: name and names of states."""
    async with get_client() as client:
        found = await subflows_of(run["flow_run_id"])
        found.sort(key=lambda one: one.created or one.start_time)  # pyright: ignore
        return [(one.name, await _states(client, one)) for one in found]


async def _states(client: Any, flow_run: FlowRun) -> list[str]:
    states = await client.read_flow_run_states(flow_run.id)
    return [state.name or "" for state in sorted(states, key=lambda state: state.timestamp)]


async def test_each_phase_is_one_subflow_registered_while_the_one_before_is_at_work(
    home: Path, tmp_path: Path
) -> None:
    run = await executed(three_phases(tmp_path))

    assert run["state"] == "DONE_SUCCESS"
    assert await phases_of(run) == [
        (f"p0 ({run['run_id']})", ["Next", "Running", "Completed"]),
        (f"p1 ({run['run_id']})", ["Next", "Running", "Completed"]),
        (f"p2 ({run['run_id']})", ["Next", "Running", "Completed"]),
    ]


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


async def test_a_phase_that_a_run_does_not_come_to_is_not_left_as_if_it_would(
    home: Path, tmp_path: Path
) -> None:
    failing = three_phases(tmp_path, validate=["false"], budget={"attempts": 1})
    run = await executed(failing)

    assert run["state"] == "DONE_FAILED_REQUIRES_HUMAN_REVIEW"
    assert [states for _, states in await phases_of(run)] == [
        ["Next", "Running", "Completed"],
        ["Next", "Cancelled"],
    ]


async def test_nobody_seems_to_come_who_has_to_be_asked_for(home: Path, tmp_path: Path) -> None:
    run = await executed(three_phases(tmp_path, approval=True))
    assert run["state"] == "AWAITING_APPROVAL"
    assert await phases_of(run) == []


@pytest.mark.parametrize("limited", [False, True])
async def test_an_attempt_is_started_beforehand_where_its_build_waits_for_no_slot(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limited: bool
) -> None:
    from flows.phases import succession

    begun: list[tuple[str, bool]] = []
    starting = succession.start_attempt

    def noted(run_id: str, phase_id: str) -> Any:
        phases = succession.succession_of(run_id)
        assert phases is not None
        begun.append((phase_id, phase_id in phases._flow_runs._begun))
        return starting(run_id, phase_id)

    monkeypatch.setattr(succession, "start_attempt", noted)
    monkeypatch.setattr(succession, "is_limited", lambda *_: limited)
    run = await executed(three_phases(tmp_path))

    assert run["state"] == "DONE_SUCCESS"
    assert begun == [("p0", limited), ("p1", limited), ("p2", limited)]
