"""Reconciliation: resume or close orphaned runs, and remove what crashed processes left."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from enum import Enum, auto

from prefect import get_client, get_run_logger
from prefect.client.schemas.objects import WorkPoolStatus
from prefect.exceptions import ObjectNotFound

from autopack.clock import SystemClock
from autopack.runs.reconcile.reconcile import claim_recovery, seconds_until_due
from autopack.runs.session.session import is_stopping
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.leases import abandoned_runs
from autopack.store.runs import get_run
from flows.executors import Execution, deployment_name, execute_stored, submit
from flows.naming import rename
from flows.opening import application
from flows.parameters import DatabaseBlock
from flows.starting import started_flow
from tasks.away import show
from tasks.closing import close_cancelled
from tasks.reconciling import (
    clean_up,
    close_dead,
    find_abandoned,
    mark_lost_flow_runs,
    resume_campaigns,
)
from tasks.recording import send_missed

_AT_ONCE = 3


class _Outcome(Enum):
    """What became of an abandoned run."""

    RESUMED = auto()
    CLOSED = auto()


def _name_of_reconcile() -> str:
    """One a minute is told apart by the minute."""
    return f"reconcile {SystemClock().now():%H:%M}"


@started_flow("reconcile", flow_run_name=_name_of_reconcile)
async def reconcile(database: DatabaseBlock = None) -> dict[str, int]:
    """Resume runs whose process crashed, at most three times each, and remove what they left.

    Where there are workers, they resume them and this flow does not wait; else they are resumed
    in this process. Returns how much of each kind of work there was.
    """
    async with application(database) as (db, settings):
        cancelled = await close_cancelled(db, settings)
        marked = await mark_lost_flow_runs(db, settings)
        outcomes = await _resume_all(await find_abandoned(db), db, settings, database)
        campaigns = await resume_campaigns()
        cleaned = await clean_up(db, settings)
        await send_missed(db)
    counts = {
        "resumed_runs": outcomes.count(_Outcome.RESUMED),
        "closed_runs": outcomes.count(_Outcome.CLOSED),
        "cancelled_runs": cancelled,
        "crashed_flow_runs": marked.crashed,
        "ended_flow_runs": marked.ended,
        "resumed_campaigns": campaigns,
        **asdict(cleaned),
    }
    get_run_logger().info("%s", ", ".join(f"{name} {n}" for name, n in counts.items()))
    did = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in counts.items() if n)
    if did:
        # So that the list of flow runs tells these from those that found all well.
        await show("the flow run keeps its name", rename(f"{_name_of_reconcile()}: {did}"))
    return counts


async def _resume_all(
    run_ids: Sequence[str], db: Database, settings: Settings, database: str | None
) -> list[_Outcome | None]:
    """Resume the abandoned runs, or close those that crashed too often."""
    slots, workers = asyncio.Semaphore(_AT_ONCE), bool(run_ids) and await _has_workers(settings)

    async def one(run_id: str) -> _Outcome | None:
        async with slots:
            try:
                # Others reconcile, too, and may have taken it while it waited for its turn.
                if is_stopping() or run_id not in abandoned_runs(db):
                    return None
                return await _resume(run_id, db, settings, database, at_worker=workers)
            except Exception as error:
                get_run_logger().warning("run %s: %s", run_id, error, exc_info=True)
                return None

    return list(await asyncio.gather(*map(one, run_ids)))


async def _resume(
    run_id: str, db: Database, settings: Settings, database: str | None, *, at_worker: bool
) -> _Outcome | None:
    if seconds_until_due(db, run_id, settings.lease_seconds) > 0:
        return None
    if not claim_recovery(db, run_id, seen=get_run(db, run_id).recoveries):
        return _Outcome.CLOSED if await close_dead(run_id, db, settings) else None
    if at_worker:
        name = deployment_name(None, settings)
        await submit(run_id, name, db=db, database=database, tag="reconcile")
    else:
        where = Execution("inline", None, db, settings, database)
        await execute_stored(run_id, where, tag="reconcile")
    return _Outcome.RESUMED


async def _has_workers(settings: Settings) -> bool:
    """Return whether somebody is there to take a flow run of the deployment."""
    try:
        async with get_client() as client:
            deployment = await client.read_deployment_by_name(deployment_name(None, settings))
            if deployment.work_pool_name is None:
                return False
            pool = await client.read_work_pool(deployment.work_pool_name)
    except ObjectNotFound:
        return False
    return pool.status is WorkPoolStatus.READY
