"""Flow runs that Prefect believes to be running though nobody works on them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from support.projects import make_simulated

from autopack.settings import Settings
from autopack.store.engine import Database

# The engine of the application database makes no difference to what Prefect shows.
pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


async def test_a_phase_of_a_flow_run_that_crashed_is_marked_too(home: Path) -> None:
    from prefect import flow, get_client
    from prefect.context import FlowRunContext
    from prefect.states import Crashed, Running

    from tasks.reconciling import mark_lost_flow_runs

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
    async with get_client() as client:
        # As a worker leaves it whose flow run was killed while a phase was under way.
        await client.set_flow_run_state(seen["phase"], Running(), force=True)
        await client.set_flow_run_state(seen["run"], Crashed(), force=True)
        assert await mark_lost_flow_runs.fn(db, settings) == 1
        assert (await client.read_flow_run(seen["phase"])).state_type == "CRASHED"
        assert await mark_lost_flow_runs.fn(db, settings) == 0
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
