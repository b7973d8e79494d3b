"""Reconciliation: what died is resumed or closed, and what it left is cleaned up."""

from __future__ import annotations

from dataclasses import asdict

from prefect import flow, get_client, get_run_logger
from prefect.client.schemas.objects import WorkPoolStatus
from prefect.exceptions import ObjectNotFound

from autopack.clock import SystemClock
from flows.executors import DEPLOYMENT, submit
from flows.fleet import execute_all
from flows.naming import rename
from flows.opening import application
from tasks.reconciling import (
    clean_up,
    find_asked_for,
    mark_lost_flow_runs,
    resume_campaigns,
    sort_abandoned,
)


def _name_of_reconcile() -> str:
    """One a minute is told apart by the minute."""
    return f"reconcile {SystemClock().now():%H:%M}"


@flow(name="reconcile", flow_run_name=_name_of_reconcile, persist_result=False)
async def reconcile() -> dict[str, int]:
    """Resume runs whose process died, at most three times each, and clean up after the dead.

    Where there are workers, they resume them and this flow does not wait; else they go
    on in this process. Returns how much of each kind of work there was.
    """
    async with application(None) as (db, settings):
        marked = await mark_lost_flow_runs(db, settings)
        asked_for = await find_asked_for(db)
        abandoned = await sort_abandoned(db, settings, asked_for)
        if abandoned.to_resume and await _has_workers():
            for run_id in abandoned.to_resume:
                await submit(run_id, db=db, tag="reconcile")
        else:
            await execute_all(
                abandoned.to_resume,
                name="reconcile",
                executor="inline",
                at_once=3,
                db=db,
                settings=settings,
                database=None,
            )
        campaigns = await resume_campaigns()
        cleaned = await clean_up(db, settings)
    counts = {
        "resumed_runs": len(abandoned.to_resume),
        "closed_runs": len(abandoned.closed),
        "crashed_flow_runs": marked,
        "resumed_campaigns": campaigns,
        **asdict(cleaned),
    }
    get_run_logger().info("%s", ", ".join(f"{name} {n}" for name, n in counts.items()))
    did = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in counts.items() if n)
    if did:
        # So that the list of flow runs tells these from those that found all well.
        await rename(f"{_name_of_reconcile()}: {did}")
    return counts


async def _has_workers() -> bool:
    """Whether somebody is there to take a flow run of the deployment."""
    try:
        async with get_client() as client:
            deployment = await client.read_deployment_by_name(DEPLOYMENT)
            if deployment.work_pool_name is None:
                return False
            pool = await client.read_work_pool(deployment.work_pool_name)
    except ObjectNotFound:
        return False
    return pool.status is WorkPoolStatus.READY
