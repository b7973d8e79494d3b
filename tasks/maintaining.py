"""The task that looks after the application database."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from autopack.clock import SystemClock
from autopack.ledger import maintenance
from autopack.runs.reconcile.mirror_upkeep import tend_mirrors
from autopack.runs.spools.late_usage import count_returned
from autopack.runs.spools.redact_spools import redact_all
from autopack.settings import Settings, process_environment
from autopack.store.database.engine import Database
from tasks.step import step


@step("maintain database")
async def maintain_database(db: Database, settings: Settings) -> maintenance.Maintained:
    """Spools, leases, retention, the private clones, and a look for rows that disagree."""
    returned = await asyncio.to_thread(count_returned, db, settings, environ=process_environment())
    done = await asyncio.to_thread(maintenance.maintain, db, settings)
    await asyncio.to_thread(redact_all, db, settings.home, process_environment())
    now = SystemClock().now()
    archived, packed = await asyncio.to_thread(tend_mirrors, db, settings, now)
    return replace(
        done,
        ingested_events=done.ingested_events + returned,
        archived_refs=archived,
        packed_clones=packed,
    )
