"""Flow runs that Prefect believes to be running though nobody works on them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from prefect.client.schemas.objects import State
from prefect.states import Crashed, Pending, Running
from support.projects import make_simulated

from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.tables import runs
from tasks.reconciling import Marked, mark_lost_flow_runs

# The engine of the application database makes no difference to what Prefect shows.
pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


@pytest.mark.parametrize(
    ("left", "marked", "counted"),
    [
        (Running(), "CRASHED", Marked(crashed=1)),
        (Pending(name="Next"), "CANCELLED", Marked(ended=1)),
    ],
)
async def test_a_phase_of_a_flow_run_that_crashed_is_marked_too(
    home: Path, left: State, marked: str, counted: Marked
) -> None:
    from prefect import flow, get_client
    from prefect.context import FlowRunContext

    seen: dict[str, UUID] = {}

    @flow(name="execute-phase", persist_result=False)
    async def phase() -> None:
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        seen["phase"] = context.flow_run.id

    @flow(name="execute-run", persist_result=False)
    async def run() -> None:
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        seen["run"] = context.flow_run.id
        await phase()

    await run()
    settings = replace(Settings.from_environment(), lease_seconds=0)
    db = Database.open(settings.database_url)
    await mark_lost_flow_runs.fn(db, settings)  # what other tests have left on their server
    async with get_client() as client:
        # As a worker leaves it whose flow run was killed while a phase was under way.
        await client.set_flow_run_state(seen["phase"], left, force=True)
        await client.set_flow_run_state(seen["run"], Crashed(), force=True)
        assert await mark_lost_flow_runs.fn(db, settings) == counted
        assert (await client.read_flow_run(seen["phase"])).state_type == marked
        assert await mark_lost_flow_runs.fn(db, settings) == Marked()
    db.close()


async def test_a_flow_run_whose_run_just_ended_has_time_to_say_so(
    home: Path, tmp_path: Path
) -> None:
    from prefect import get_client
    from prefect.states import Running

    from flows import execute_run
    from tasks.reconciling import _is_lost

    project = make_simulated(tmp_path, {"success": 1, "calls": 1})
    run = await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder="simulated",
        builder_options=f"spec={project.recording}",
    )
    async with get_client() as client:
        flow_run = await client.read_flow_run(run["flow_run_id"])
    db = Database.open(Settings.from_environment().database_url)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    flow_run.state = Running(timestamp=long_ago)
    assert not _is_lost(db, flow_run, lease_seconds=45)
    assert _is_lost(db, flow_run, lease_seconds=0)
    db.close()


ENDS = {
    "DONE_SUCCESS": ("COMPLETED", "Completed"),
    "DONE_FAILED_REQUIRES_HUMAN_REVIEW": ("FAILED", "Failed"),
    "DONE_CANCELLED": ("CANCELLED", "Cancelled"),
}


async def test_a_run_that_ended_while_its_server_was_away_is_no_crash(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its flow run gets the state of the run; one that the login may not set holds up no other."""
    from prefect import flow, get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
    from prefect.states import Running

    from flows import execute_run
    from tasks.reconciling import Marked, mark_lost_flow_runs

    project = make_simulated(tmp_path, {"success": 1, "calls": 1})
    settings = replace(Settings.from_environment(), lease_seconds=0)
    flow_runs: dict[str, UUID] = {}
    phases: list[UUID] = []
    for number, state in enumerate([*ENDS, "forbidden"]):
        run = await execute_run(
            plan=str(project.plan),
            repo=str(project.repository),
            builder="simulated",
            builder_options=f"spec={project.recording}",
            run_id=f"r{number}",
        )
        flow_runs[state] = UUID(run["flow_run_id"])
    db = Database.open(settings.database_url)
    for number, state in enumerate(ENDS):
        db.transact(
            lambda conn, number=number, state=state: conn.execute(
                sa.update(runs)
                .where(runs.c.run_id == f"r{number}")
                .values(state=state, failure_reason="so it was")
            )
        )
    forbidden = flow_runs["forbidden"]
    send = httpx.AsyncHTTPTransport.handle_async_request

    async def restricted(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(f"/{forbidden}/set_state"):
            return httpx.Response(403, json={"detail": "no"}, request=request)
        return await send(self, request)

    async with get_client() as client:
        for flow_run in flow_runs.values():
            # As the server saw it last: the phase under way, too.
            parents = FlowRunFilterParentFlowRunId(any_=[flow_run])
            for child in await client.read_flow_runs(
                flow_run_filter=FlowRunFilter(parent_flow_run_id=parents)
            ):
                phases.append(child.id)
                await client.set_flow_run_state(child.id, Running(), force=True)
            await client.set_flow_run_state(flow_run, Running(), force=True)

        @flow
        async def look() -> Marked:
            return await mark_lost_flow_runs(db, settings)

        with monkeypatch.context() as patched:
            patched.setattr(httpx.AsyncHTTPTransport, "handle_async_request", restricted)
            assert await look() == Marked(crashed=0, ended=len(ENDS) + len(phases))
        assert len(phases) == len(flow_runs)
        for state, expected in ENDS.items():
            ended = await client.read_flow_run(flow_runs[state])
            assert ended.state is not None
            assert (ended.state.type, ended.state.name) == expected
            assert ended.state.message == f"{state}: so it was"
        for phase in phases:
            assert (await client.read_flow_run(phase)).state_name == "Completed"
        assert (await client.read_flow_run(forbidden)).state_name == "Running"
        # It is told once it may be.
        assert await look() == Marked(ended=1)
        assert (await client.read_flow_run(forbidden)).state_name == "Completed"
    db.close()
