"""The task that mines the stored errors."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from autopack.mining.mine import Mined, mine
from autopack.settings import process_environment
from autopack.store.database.engine import Database
from tasks.step import step


@step("mine errors")
async def mine_errors(db: Database, since: str | None, least: int) -> Mined:
    """Sign the errors that have no signature so far, and rank what keeps failing."""
    return await asyncio.to_thread(
        mine, db, process_environment(), datetime.now(UTC), since=since, least=least
    )
