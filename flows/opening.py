"""What every flow starts from: the application database, and runs stored in it as asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

from autopack.settings import Settings
from autopack.store.database.engine import Database
from blocks.configured import load


@asynccontextmanager
async def application(database: str | None) -> AsyncGenerator[tuple[Database, Settings]]:
    """Yield the application database, open while the block is, and the settings that go with it.

    ``database`` names an Autopack Database block; DATABASE_URL, else the home's, without a name.
    """
    settings = Settings.from_environment()
    if database:
        from blocks.database import AutopackDatabase

        named = await load(AutopackDatabase, f"autopack-database/{database}", field="database")
        settings = replace(settings, database_url=named.url.get_secret_value())
    db = await asyncio.to_thread(Database.open, settings.database_url)
    try:
        yield db, settings
    finally:
        db.close()
