"""Tasks that close runs from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from autopack.clock import SystemClock
from autopack.errors import AutopackError
from autopack.execution.finish import cancel
from autopack.settings import Settings
from autopack.store.engine import Database


@task(name="cancel runs", cache_policy=NO_CACHE, tags=["autopack"])
async def cancel_runs(run_ids: Sequence[str], db: Database, settings: Settings) -> None:
    """End runs DONE_CANCELLED, wherever they are; those that have ended stay what they are."""

    async def one(run_id: str) -> None:
        try:
            await asyncio.to_thread(cancel, run_id, db=db, settings=settings, clock=SystemClock())
        except AutopackError as error:
            get_run_logger().info("run %s was not cancelled: %s", run_id, error.message)

    await asyncio.gather(*(one(run_id) for run_id in run_ids))
