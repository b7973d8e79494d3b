"""Maintenance of the application database, to be run on a schedule."""

import asyncio
from dataclasses import asdict

from prefect import flow, get_run_logger

from autopack.settings import Settings
from autopack.store.database.engine import Database
from tasks.maintaining import maintain_database


@flow(name="maintain", persist_result=False)
async def maintain() -> dict[str, int]:
    """Ingest what waits in spools, give back leases of finished runs, archive old calls.

    Calls of runs that finished more than 90 days ago leave the ledger; their sums stay.
    """
    settings = Settings.from_environment()
    db = await asyncio.to_thread(Database.open, settings.database_url)
    try:
        counts = asdict(await maintain_database(db, settings))
    finally:
        db.close()
    log = get_run_logger()
    log.info("%s: %s", db.url_masked, ", ".join(f"{name} {n}" for name, n in counts.items()))
    if counts["drift"]:
        log.warning("%d rows disagree: see `autopack db check`", counts["drift"])
    return counts
