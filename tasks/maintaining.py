"""The task that looks after the application database."""

from __future__ import annotations

import asyncio

from prefect import task
from prefect.cache_policies import NO_CACHE

from autopack.settings import Settings
from autopack.store.engine import Database
from autopack.telemetry import maintenance


@task(name="maintain database", cache_policy=NO_CACHE, tags=["autopack"])
async def maintain_database(db: Database, settings: Settings) -> maintenance.Maintained:
    """Spools, leases, retention, then a look for rows that disagree."""
    return await asyncio.to_thread(maintenance.maintain, db, settings)
