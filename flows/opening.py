"""What every flow starts from: the application database, and runs stored in it as asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from autopack.agents.registry import parse_options
from autopack.runs.prepare.prepare import RunRequest
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.workspace.remote import Remote
from blocks.configured import configured, load


@asynccontextmanager
async def application(database: str | None) -> AsyncGenerator[tuple[Database, Settings]]:
    """Yield the application database, open while the block is, and the settings that go with it.

    ``database`` names an Autopack Database block; DATABASE_URL, else the home's, when None.
    """
    settings = Settings.from_environment()
    if database is not None:
        from blocks.database import AutopackDatabase

        named = await load(AutopackDatabase, f"autopack-database/{database}", field="database")
        settings = replace(settings, database_url=named.url.get_secret_value())
    db = await asyncio.to_thread(Database.open, settings.database_url)
    try:
        yield db, settings
    finally:
        db.close()


async def request(
    *,
    plan: str | None,
    repo: str | None,
    commit: str | None,
    builder: str | None,
    builder_options: str,
    model: str | None,
    features: Sequence[str] | None,
    token_cap: int | None,
    at_cap: str,
    run_id: str | None,
    campaign: str | None = None,
    push: str | Remote | None = None,
) -> RunRequest:
    """Return a flow's parameters as a request, with what the builder's block adds to them."""
    block = await configured(builder)
    wanted = features or ()
    return RunRequest(
        plan=plan or "",
        repo=repo or ".",
        commit=commit,
        builder=builder,
        builder_options=block.options | parse_options(builder_options.splitlines()),
        builder_secrets=block.secrets,
        model=model,
        enable=tuple(name for name in wanted if not name.startswith("-")),
        disable=tuple(name[1:] for name in wanted if name.startswith("-")),
        token_cap=token_cap,
        at_cap=at_cap,
        run_id=run_id,
        campaign=campaign,
        push=push,
    )
