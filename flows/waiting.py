"""Waiting for a run that a worker executes: its own row often, its flow run seldom."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from uuid import UUID

from prefect import get_client, get_run_logger
from prefect.client.schemas.objects import State

from autopack.clock import Clock, SystemClock
from autopack.model.errors import DatabaseRefused, WorkFailed
from autopack.runs.reconcile.reconcile import claim_recovery, give_up, seconds_until_due
from autopack.runs.session.session import is_stopping
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.leases import abandoned_runs, holder_of
from autopack.store.rows import RunRow
from autopack.store.runs import get_run
from flows.run_watch import RunWatch, has_stopped
from tasks.closing import close_now
from tasks.verdicts import is_cancelled_state, last_flow_runs, timed_out, was_cancelled

GLANCE_SECONDS = 1.0
"""How often the run's own row is read, of which only its end is heard sooner."""

PATIENCE_SECONDS = 3600.0
"""How long a run is waited for that nobody works on."""

_FIRST_POLL_SECONDS, _LAST_POLL_SECONDS, _JITTER = 2.0, 30.0, 0.2


def poll_pauses(uniform: Callable[[float, float], float] = random.uniform) -> Iterator[float]:
    """Seconds between questions about a flow run: from 2 up to 30, each with ±20% jitter."""
    pause = _FIRST_POLL_SECONDS
    while True:
        yield pause * uniform(1 - _JITTER, 1 + _JITTER)
        pause = min(pause * 1.5, _LAST_POLL_SECONDS)


async def wait_for_end(
    run_id: str, flow_run_id: UUID, *, watch: RunWatch, clock: Clock
) -> State | None:
    """Return when the run has ended or waits for a person, or this process is to stop.

    When its flow run ended without it, that one's state is returned. Raises WorkFailed when nobody
    has worked on it for an hour and its flow run waits for nothing; the run is left alone.
    """
    db = watch.db
    run, pauses = get_run(db, run_id), poll_pauses()
    alive_at = clock.monotonic()
    poll_at = alive_at + next(pauses)
    while not has_stopped(run.state) and not is_stopping():
        if (at := clock.monotonic()) >= poll_at:
            state = await _state_of(flow_run_id)
            if state is not None and state.is_final():
                # It ends after its run, which may just have ended.
                run = _glance(db, run)
                return None if has_stopped(run.state) else state
            if _is_alive(db, run_id, state):
                alive_at = at
            elif at - alive_at > PATIENCE_SECONDS:
                raise WorkFailed(
                    f"nobody has worked on run {run_id} for an hour, and its flow run has not "
                    "ended",
                    hint=f"autopack resume {run_id}",
                )
            poll_at = at + next(pauses)
        await watch.until_stopped(run_id, GLANCE_SECONDS)
        run = _glance(db, run)
    return None


async def wait_while_held(run_id: str, *, db: Database) -> RunRow | None:
    """Return the run as it stands when nobody works on it; None when this process is to stop."""
    while not is_stopping():
        try:
            holder = holder_of(db, run_id)
            if holder is None or holder.is_gone():
                return get_run(db, run_id)
        except DatabaseRefused as error:
            get_run_logger().warning("no answer about run %s: %s", run_id, error.message)
        await asyncio.sleep(GLANCE_SECONDS)
    return None


async def wait_until_due(run_id: str, *, db: Database, settings: Settings) -> RunRow | None:
    """As `wait_while_held`, and then for as long as the run is to be left alone."""
    run = await wait_while_held(run_id, db=db)
    while run is not None and not has_stopped(run.state):
        pause = seconds_until_due(db, run_id, settings.lease_seconds)
        if pause <= 0:
            break
        await asyncio.sleep(min(pause, GLANCE_SECONDS))
        run = await wait_while_held(run_id, db=db)
    return run


async def may_resume(
    run_id: str, ended: State, *, seen: int, db: Database, settings: Settings
) -> bool:
    """Return whether the run, which nobody holds, is to go on in another flow run, now that one has
    ``ended`` without it.

    So it is after a crash and after a fault, as often as reconciling would have it, and then the
    run is closed; ``seen`` is how often that had been when the flow run was started. A
    lease that was released means that the run is to rest, and so does a limit on the time of its
    flow run; cancelling that one cancelled the run.
    """
    if is_cancelled_state(ended):
        await asyncio.to_thread(close_now, [run_id], db, settings)
        return False
    if timed_out(ended):
        return False
    if not (ended.is_crashed() or run_id in abandoned_runs(db)):
        return False
    if claim_recovery(db, run_id, seen=seen):
        return True
    await asyncio.to_thread(give_up, db, run_id, settings=settings, clock=SystemClock())
    return False


async def cancelled_in_prefect(run_id: str, *, db: Database, settings: Settings) -> bool:
    """Return whether the last flow run of a run that nobody holds was cancelled; the run then is,
    too.

    False while the server does not answer.
    """
    try:
        async with get_client() as client:
            run = get_run(db, run_id)
            last = await last_flow_runs(client, [(run_id, run.flow_run_id)], db)
            if run_id not in last or not await was_cancelled(client, last[run_id]):
                return False
    except Exception as error:
        get_run_logger().warning("no answer about the flow run of %s: %s", run_id, error)
        return False
    await asyncio.to_thread(close_now, [run_id], db, settings)
    return True


def _is_alive(db: Database, run_id: str, state: State | None) -> bool:
    """Return whether somebody works on the run, or its flow run waits for a worker or a person."""
    if state is not None and (state.is_scheduled() or state.is_pending() or state.is_paused()):
        return True
    try:
        return holder_of(db, run_id) is not None
    except DatabaseRefused:
        return True  # nobody knows


def _glance(db: Database, last: RunRow) -> RunRow:
    """Return the run as it is now; as it was when the database is away, which the next look may
    fix.
    """
    try:
        return get_run(db, last.run_id)
    except DatabaseRefused as error:
        get_run_logger().warning("no answer about run %s: %s", last.run_id, error.message)
        return last


async def _state_of(flow_run_id: UUID) -> State | None:
    """Return the flow run's state; None when the server does not answer, which the next poll may
    fix.
    """
    try:
        async with get_client() as client:
            return (await client.read_flow_run(flow_run_id)).state
    except Exception as error:
        get_run_logger().warning("no answer about flow run %s: %s", flow_run_id, error)
        return None
