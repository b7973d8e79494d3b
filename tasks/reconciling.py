"""Tasks that put right what died: runs, flow runs, and what lies about."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from prefect import get_client, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed

from autopack.clock import SystemClock
from autopack.execution import reconciling
from autopack.settings import Settings
from autopack.store.engine import Database
from autopack.store.leases import holder_of
from autopack.store.runs import run_of_flow

_RUNNING = FlowRunFilter(
    state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING]))
)


@task(name="sort abandoned runs", cache_policy=NO_CACHE, tags=["autopack"])
async def sort_abandoned(db: Database, settings: Settings) -> reconciling.Abandoned:
    """Find runs whose holder fell silent; close those that were resumed often enough."""
    return await asyncio.to_thread(reconciling.sort_abandoned, db, settings, SystemClock())


@task(name="clean up", cache_policy=NO_CACHE, tags=["autopack"])
async def clean_up(db: Database, settings: Settings) -> reconciling.Cleaned:
    """Remove what dead processes left on this machine, and count what they had spent."""
    return await asyncio.to_thread(reconciling.clean, db, settings)


@task(name="mark lost flow runs", cache_policy=NO_CACHE, tags=["autopack"])
async def mark_lost_flow_runs(db: Database, settings: Settings) -> int:
    """Mark crashed what Prefect believes to be running though nobody holds its run."""
    settled = timedelta(seconds=2 * settings.lease_seconds)
    marked = 0
    async with get_client() as client:
        running = await client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["execute-run"])),
            flow_run_filter=_RUNNING,
        )
        for flow_run in running:
            if not await asyncio.to_thread(_is_lost, db, flow_run, settled):
                continue
            for child in await _running_children(client, flow_run):
                await _crash(client, child)
                marked += 1
            await _crash(client, flow_run)
            marked += 1
        for child in await _orphans(client, settled):
            await _crash(client, child)
            marked += 1
    return marked


def _is_lost(db: Database, flow_run: FlowRun, settled: timedelta) -> bool:
    """Whether its run is in nobody's hands, and has been since before it may just be starting."""
    if not _has_settled(flow_run, settled):
        return False
    run = run_of_flow(db, str(flow_run.id))
    if run is None:
        return False
    holder = holder_of(db, run.run_id)
    return holder is None or holder.is_gone()


async def _running_children(client: PrefectClient, flow_run: FlowRun) -> list[FlowRun]:
    of_parent = FlowRunFilterParentFlowRunId(any_=[flow_run.id])
    return await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(parent_flow_run_id=of_parent, state=_RUNNING.state)
    )


async def _orphans(client: PrefectClient, settled: timedelta) -> list[FlowRun]:
    """Phases that Prefect believes to be running though the flow run that they belong to ended:
    whoever noticed its death (the worker, the automation) marked that one alone.
    """
    running = await client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["execute-phase"])),
        flow_run_filter=_RUNNING,
    )
    found: list[FlowRun] = []
    for phase in running:
        if phase.parent_task_run_id is None or not _has_settled(phase, settled):
            continue
        task_run = await client.read_task_run(phase.parent_task_run_id)
        if task_run.flow_run_id is not None:
            parent = await client.read_flow_run(task_run.flow_run_id)
            if parent.state is not None and parent.state.is_final():
                found.append(phase)
    return found


def _has_settled(flow_run: FlowRun, settled: timedelta) -> bool:
    state = flow_run.state
    return state is not None and SystemClock().now() - state.timestamp >= settled


async def _crash(client: PrefectClient, flow_run: FlowRun) -> None:
    lost = Crashed(message="its process is gone; the run goes on in another flow run")
    await client.set_flow_run_state(flow_run.id, lost, force=True)
