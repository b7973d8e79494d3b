"""Tasks that record what features did in each attempt; a fault of theirs never fails a run."""

from __future__ import annotations

import asyncio
import os

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from sqlalchemy.exc import SQLAlchemyError

from autopack.errors import AutopackError
from autopack.execution.session import held
from autopack.plan.features import Feature, kill_switches
from autopack.telemetry import metrics


@task(name="record phase-6 metrics", cache_policy=NO_CACHE, tags=["autopack"])
async def record_phase6_metrics(run_id: str) -> None:
    """Write what hardening, doctor and context did in attempts that ended."""
    await asyncio.to_thread(metrics.record_phase6_metrics, held(run_id).db, run_id)


@task(name="record token efficiency", cache_policy=NO_CACHE, tags=["autopack"])
async def record_token_efficiency(run_id: str) -> None:
    """Write what became of the context of attempts that ended."""
    await asyncio.to_thread(metrics.record_token_efficiency, held(run_id).db, run_id)


async def record_metrics(run_id: str) -> None:
    """Record both when the run has phase6_metrics on; report a fault and go on."""
    if kill_switches(os.environ)[Feature.PHASE6_METRICS]:
        return
    try:
        if metrics.is_on(held(run_id).db, run_id):
            await record_phase6_metrics(run_id)
            await record_token_efficiency(run_id)
    except (AutopackError, SQLAlchemyError) as error:
        get_run_logger().warning("metrics of %s were not recorded: %s", run_id, error)
