"""How flow runs end in Prefect, and that a retry pays for nothing a second time."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.objects import FlowRun
from support.projects import Project, call, make_project

from autopack.ledger.events.usage_events import token_totals
from autopack.settings import Settings
from autopack.stack import OWN_SERVER
from autopack.store.database.engine import Database
from autopack.store.runs import list_runs

# The engine of the application database makes no difference to what Prefect does.
pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


def parameters(project: Project, **more: Any) -> dict[str, Any]:
    return {
        "plan": str(project.plan),
        "repo": str(project.repository),
        "builder_options": f"recording={project.recording}",
    } | more


def spent() -> list[int | None]:
    """What each stored run has spent."""
    db = Database.open(Settings.from_environment().database_url)
    try:
        return [token_totals(db, run.run_id).total for run in list_runs(db).rows]
    finally:
        db.close()


@pytest.fixture
def failing(home: Path, tmp_path: Path) -> Project:
    builds = [[call(7), {"files": {"a": "1"}}]]
    phase = {"validate": ["false"], "budget": {"attempts": 1}}
    return make_project(tmp_path, {"one": builds}, phase=phase)


@pytest.fixture
def passing(home: Path, tmp_path: Path) -> Project:
    return make_project(tmp_path, {"one": [[call(7), {"files": {"a": "1"}}]]})


async def states_of(flow_run_id: str) -> list[str]:
    """The names of the states that a flow run has been in, in order."""
    async with get_client() as client:
        states = await client.read_flow_run_states(flow_run_id)  # pyright: ignore[reportArgumentType]
    return [state.name or "" for state in sorted(states, key=lambda state: state.timestamp)]


async def subflows_of(flow_run_id: str) -> list[FlowRun]:
    """The flow runs of a run's phases."""
    parent = FlowRunFilterParentFlowRunId(any_=[UUID(flow_run_id)])
    async with get_client() as client:
        return await client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))


async def test_a_failed_run_was_never_completed_and_its_result_is_read(failing: Project) -> None:
    from flows import execute_run

    heard: list[str] = []
    listening = execute_run.with_options(
        on_completion=[lambda *_: heard.append("completed")],  # pyright: ignore[reportArgumentType]
        on_failure=[lambda *_: heard.append("failed")],  # pyright: ignore[reportArgumentType]
    )
    run = await listening(**parameters(failing))

    assert run["state"] == "DONE_FAILED_REQUIRES_HUMAN_REVIEW"
    assert await states_of(run["flow_run_id"]) == ["Pending", "Running", "Failed"]
    assert heard == ["failed"]


async def test_the_state_of_a_failed_run_is_failed_and_holds_the_result(failing: Project) -> None:
    from flows import execute_run

    state = await execute_run(**parameters(failing), return_state=True)

    assert state.is_failed()
    assert (state.message or "").startswith("DONE_FAILED_REQUIRES_HUMAN_REVIEW: one:")
    run = await state.aresult(raise_on_failure=False)
    assert run["state"] == "DONE_FAILED_REQUIRES_HUMAN_REVIEW"
    assert run == await state.aresult()


async def test_a_run_that_waits_is_completed_by_that_name(home: Path, tmp_path: Path) -> None:
    from flows import execute_run

    builds = [[call(7), {"files": {"a": "1"}}]]
    project = make_project(tmp_path, {"one": builds}, phase={"approval": True})
    run = await execute_run(**parameters(project))
    assert run["state"] == "AWAITING_APPROVAL"
    assert (await states_of(run["flow_run_id"]))[-1] == "AwaitingApproval"


@pytest.mark.parametrize("state", ["Cancelling", "Cancelled"])
async def test_a_script_whose_flow_run_is_cancelled_gets_the_run_as_it_ended(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    from prefect import get_client
    from prefect.states import Cancelled, Cancelling

    from flows import execute_run
    from tasks import attempting

    monkeypatch.setenv("AUTOPACK_PREFECT_SECONDS", "0.2")
    monkeypatch.delenv(OWN_SERVER, raising=False)
    project = make_project(tmp_path, {"one": [[call(7), {"delay": 60}]]})
    build = attempting.steps.build

    async def building(session: Any, *args: Any) -> Any:
        wanted = Cancelling() if state == "Cancelling" else Cancelled()
        async with get_client() as client:
            await client.set_flow_run_state(session.run().flow_run_id, wanted, force=True)
        return await build(session, *args)

    monkeypatch.setattr(attempting.steps, "build", building)
    run = await execute_run(**parameters(project))
    assert run["state"] == "DONE_CANCELLED"
    assert (await states_of(run["flow_run_id"]))[-1] == "Cancelled"


async def test_a_run_that_is_interrupted_by_a_limit_on_its_time_goes_on_when_it_is_retried(
    home: Path, tmp_path: Path
) -> None:
    from flows import execute_run

    slow = [[call(7), {"delay": 5}, {"files": {"a": "1"}}]]
    project = make_project(tmp_path, {"one": slow, "two": slow})
    retried = execute_run.with_options(retries=1, timeout_seconds=8)
    run = await retried(**parameters(project, run_id="limited"))
    assert run["state"] == "DONE_SUCCESS"
    assert [phase["attempts"] for phase in run["phases"]] == [1, 1], "phase one was not paid twice"
    phases = await subflows_of(run["flow_run_id"])
    states = sorted(phase.state_name or "" for phase in phases)
    assert states == ["Completed", "Completed", "Crashed"], "none seems to be at work"


async def test_a_run_that_met_a_fault_goes_on_when_it_is_retried(
    passing: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import execute_run, run

    faults = [RuntimeError("a fault")]
    next_phase = run.next_phase

    def failing_once(*args: Any) -> Any:
        if faults:
            raise faults.pop()
        return next_phase(*args)

    monkeypatch.setattr(run, "next_phase", failing_once)
    ended = await execute_run.with_options(retries=1)(**parameters(passing))
    assert (ended["state"], spent()) == ("DONE_SUCCESS", [7])
    assert await states_of(ended["flow_run_id"]) == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Running",
        "Completed",
    ]
    phases = await subflows_of(ended["flow_run_id"])
    assert {one.state_name for one in phases} <= {"Completed", "Cancelled"}, "none seems to come"


@pytest.mark.parametrize("named", [{}, {"run_id": "named"}])
async def test_a_call_of_a_flow_that_is_retried_finds_its_run(
    passing: Project, named: dict[str, str]
) -> None:
    from prefect import flow

    from flows import execute_run

    seen: list[str] = []

    @flow(retries=1, persist_result=True)
    async def parent() -> str:
        run = await execute_run(**parameters(passing, **named))
        seen.append(run["run_id"])
        if len(seen) == 1:
            raise RuntimeError("a fault of the user's own")
        return run["state"]

    assert await parent() == "DONE_SUCCESS"
    assert len(set(seen)) == 1
    assert spent() == [7]


async def test_equal_calls_of_one_flow_are_two_runs_and_stay_two_when_it_is_retried(
    passing: Project,
) -> None:
    from prefect import flow

    from flows import execute_run, execute_runs

    seen: list[list[str]] = []

    @flow(retries=1)
    async def parent() -> None:
        runs = [await execute_run(**parameters(passing)) for _ in range(2)]
        several = parameters(passing)
        several["plans"] = [several.pop("plan")]
        seen.append([run["run_id"] for run in [*runs, *(await execute_runs(**several))]])
        if len(seen) == 1:
            raise RuntimeError("a fault of the user's own")

    await parent()
    first, second = seen
    assert first == second
    assert len(set(first)) == 3
    assert spent() == [7, 7, 7]


async def test_a_failed_run_is_not_paid_again_by_a_retry(failing: Project) -> None:
    from flows import execute_run

    run = await execute_run.with_options(retries=1)(**parameters(failing))
    assert run["state"] == "DONE_FAILED_REQUIRES_HUMAN_REVIEW"
    assert spent() == [7]
