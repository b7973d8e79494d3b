"""Reconciliation: resume or close orphaned runs, mark zombie flow runs crashed, clean up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from prefect import get_client, get_run_logger
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterName,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled, Completed, Crashed

from autopack.clock import SystemClock
from autopack.model.states import RunState
from autopack.runs.reconcile import reconcile
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.leases import holder_of
from autopack.store.rows import RunRow
from autopack.store.runs import find_run, get_phases, get_run, run_of_flow
from tasks.away import is_forbidden
from tasks.closing import CAMPAIGNS, RECENT
from tasks.ending import standing
from tasks.step import step
from tasks.verdicts import PAGE, flow_runs, last_flow_runs, timed_out, was_cancelled

_OF_RUNS = FlowFilter(name=FlowFilterName(any_=["execute-run"]))
_NEVER_BEGAN = "its process is gone; it had not begun"
_GONE = "its process is gone; the run continues in another flow run"
_STARTING_LEASES = 10
"""For how many lengths of a lease a flow run may start up, as where its image has to be fetched."""


@step("find abandoned runs")
async def find_abandoned(db: Database) -> list[str]:
    """Return the runs whose lease expired and that nobody is about to resume.

    Those that were cancelled in Prefect, and those whose flow run was ended by a limit on its
    time, are left to rest.
    """
    abandoned = await asyncio.to_thread(reconcile.abandoned_here, db)
    if not abandoned:
        return []
    resting = await _resting(db, abandoned) | await _asked_for(db, abandoned)
    return [run_id for run_id in abandoned if run_id not in resting]


async def _resting(db: Database, abandoned: list[str]) -> frozenset[str]:
    """Those that Prefect has ended on purpose."""
    taken = [(run_id, get_run(db, run_id).flow_run_id) for run_id in abandoned]
    async with get_client() as client:
        last = await last_flow_runs(client, taken, db)
        return frozenset(
            [
                run_id
                for run_id, flow_run in last.items()
                if timed_out(flow_run.state) or await was_cancelled(client, flow_run)
            ]
        )


@step("close crashed run", "close {run_id}")
async def close_dead(run_id: str, db: Database, settings: Settings) -> bool:
    """Close a run that crashed too often; False when another process took it meanwhile."""
    return await asyncio.to_thread(
        reconcile.give_up, db, run_id, settings=settings, clock=SystemClock()
    )


async def _asked_for(db: Database, abandoned: list[str]) -> frozenset[str]:
    """Those that a flow run is there for already, waiting or starting up."""
    found: list[FlowRun] = []
    async with get_client() as client:
        for begin in range(0, len(abandoned), PAGE):
            named = FlowRunFilter(
                name=FlowRunFilterName(any_=abandoned[begin : begin + PAGE]),
                state=_in_states(StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING),
            )
            found += [one async for one in flow_runs(client, _OF_RUNS, named)]
    return frozenset(flow_run.name for flow_run in found if not _lost_it(db, flow_run))


def _lost_it(db: Database, flow_run: FlowRun) -> bool:
    """Return whether the flow run is the one that held its abandoned run, and only seems to
    go on.
    """
    running = flow_run.state is not None and flow_run.state.is_running()
    return running and get_run(db, flow_run.name).flow_run_id == str(flow_run.id)


@step("clean up")
async def clean_up(db: Database, settings: Settings) -> reconcile.Cleaned:
    """Remove what crashed processes left on this machine, and count what they had spent."""
    return await asyncio.to_thread(reconcile.clean, db, settings)


@dataclass(frozen=True)
class Marked:
    """How many flow runs were marked crashed, and how many got the end of their run."""

    crashed: int = 0
    ended: int = 0


@step("mark lost flow runs")
async def mark_lost_flow_runs(db: Database, settings: Settings) -> Marked:
    """End what Prefect believes to be at work though nobody of it holds its run.

    Where the run has ended, and only Prefect could not be told (its server was away, or the
    process was killed in this moment), the flow run gets the state of its run. All else crashed.
    """
    told = list[StateType]()
    under_way = FlowRunFilter(state=_in_states(StateType.PENDING, StateType.RUNNING))
    async with get_client() as client:
        # All of them first, for what is marked is no part of the next page.
        found = [one async for one in flow_runs(client, _OF_RUNS, under_way)]
        for flow_run in found:
            if not await asyncio.to_thread(_is_lost, db, flow_run, settings.lease_seconds):
                continue
            run = await asyncio.to_thread(run_of_flow, db, str(flow_run.id))
            for child in await _open_children(client, flow_run):
                told += await _tell(client, child, _end_of_phase(db, run, child))
            told += await _tell(client, flow_run, _end_of_run(run))
        for child in await _orphans(client, timedelta(seconds=2 * settings.lease_seconds)):
            run = await asyncio.to_thread(find_run, db, str(child.parameters.get("run_id")))
            told += await _tell(client, child, _end_of_phase(db, run, child))
    crashed = told.count(StateType.CRASHED)
    return Marked(crashed, len(told) - crashed)


@step("resume campaigns")
async def resume_campaigns() -> int:
    """Have workers resume fleets, experiments and replay campaigns whose process crashed.

    A flow run that is retried resumes what it began; one that crashes again and again does
    not.
    """
    resumed = 0
    crashed = FlowRunFilter(
        state=_in_states(StateType.CRASHED),
        deployment_id=FlowRunFilterDeploymentId(is_null_=False),
        expected_start_time=FlowRunFilterExpectedStartTime.model_validate(
            {"after_": SystemClock().now() - RECENT}
        ),
    )
    async with get_client() as client:
        for flow_run in [one async for one in flow_runs(client, CAMPAIGNS, crashed)]:
            if flow_run.run_count <= reconcile.MOST_RECOVERIES:
                resumed += len(await _tell(client, flow_run, AwaitingRetry()))
    return resumed


def _is_lost(db: Database, flow_run: FlowRun, lease_seconds: float) -> bool:
    """Return whether its run is in nobody's hands, though it had the time to take it."""
    if flow_run.state is None:
        return False
    own = run_of_flow(db, str(flow_run.id))
    run = own or _stored_run_of(db, flow_run)
    if run is None or run.state is RunState.AWAITING_APPROVAL:
        return False  # preparing it, or about to be suspended
    # It still has to say how its run ended.
    since = max(flow_run.state.timestamp, run.finished_at or flow_run.state.timestamp)
    leases = 2 if own else _STARTING_LEASES
    if SystemClock().now() - since < timedelta(seconds=leases * lease_seconds):
        return False
    holder = holder_of(db, run.run_id)
    return holder is None or holder.is_gone()


def _stored_run_of(db: Database, flow_run: FlowRun) -> RunRow | None:
    """Return the run that it was to resume; None for one that it has to prepare, which takes
    time.
    """
    run_id = flow_run.parameters.get("run_id")
    if not run_id or flow_run.parameters.get("plan"):
        return None
    return find_run(db, run_id)


async def _open_children(client: PrefectClient, flow_run: FlowRun) -> list[FlowRun]:
    unfinished = FlowRunFilter(
        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[flow_run.id]), state=_OPEN
    )
    return [one async for one in flow_runs(client, None, unfinished)]


def _in_states(*states: StateType) -> FlowRunFilterState:
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))


_OPEN = _in_states(StateType.PENDING, StateType.RUNNING)


async def _orphans(client: PrefectClient, settled: timedelta) -> list[FlowRun]:
    """Phases that Prefect believes to be running, or (registered by an earlier version) to come
    next, though the flow run that they belong to ended: what noticed its crash (the worker, the
    automation) marked that one alone.
    """
    phases = FlowFilter(name=FlowFilterName(any_=["execute-phase"]))
    found: list[FlowRun] = []
    async for phase in flow_runs(client, phases, FlowRunFilter(state=_OPEN)):
        if phase.parent_task_run_id is None or phase.state is None:
            continue
        if SystemClock().now() - phase.state.timestamp < settled:
            continue
        with suppress(ObjectNotFound):  # deleted meanwhile
            task_run = await client.read_task_run(phase.parent_task_run_id)
            if task_run.flow_run_id is not None:
                parent = await client.read_flow_run(task_run.flow_run_id)
                if parent.state is not None and parent.state.is_final():
                    found.append(phase)
    return found


def _end_of_run(run: RunRow | None) -> State[Any]:
    if run is None or not run.state.is_final:
        return Crashed(message=_GONE)
    return standing(run.state, run.failure_reason).state()


def _end_of_phase(db: Database, run: RunRow | None, flow_run: FlowRun) -> State[Any]:
    """Return how the flow run of a phase ends: that is told by the phase itself where it
    has ended. One that had not begun never did.
    """
    if flow_run.state is not None and flow_run.state.is_pending():
        return Cancelled(message=_NEVER_BEGAN)
    if run is not None:
        wanted = flow_run.parameters.get("phase_id")
        for phase in get_phases(db, run.run_id):
            if phase.phase_id == wanted and phase.state.is_final:
                return Completed(message=phase.state.value)
    return Crashed(message=_GONE)


async def _tell(client: PrefectClient, flow_run: FlowRun, state: State[Any]) -> Sequence[StateType]:
    """Set the state of a flow run, whatever it is in. Returns its type, or nothing where the
    login may not do that or the flow run was deleted: that is logged and holds up no other.
    """
    try:
        await client.set_flow_run_state(flow_run.id, state, force=True)
    except ObjectNotFound:
        return ()
    except httpx.HTTPStatusError as error:
        if not is_forbidden(error):
            raise
        get_run_logger().warning(
            "flow run %s (%s) stays %s: the Prefect server forbids to set it %s",
            flow_run.name,
            flow_run.id,
            flow_run.state_name,
            state.name,
        )
        return ()
    return (state.type,)
