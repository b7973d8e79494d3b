"""Maintenance of the application database, to be run on a schedule."""

from dataclasses import asdict

from prefect import get_run_logger

from flows.opening import application
from flows.parameters import DatabaseBlock
from flows.starting import started_flow
from tasks.maintaining import maintain_database


@started_flow("maintain")
async def maintain(database: DatabaseBlock = None) -> dict[str, int]:
    """Ingest spooled usage, release leases of finished runs, archive old calls.

    Calls of runs that finished more than 90 days ago leave the ledger; their sums stay.
    """
    async with application(database) as (db, settings):
        counts = asdict(await maintain_database(db, settings))
    log = get_run_logger()
    log.info("%s: %s", db.url_masked, ", ".join(f"{name} {n}" for name, n in counts.items()))
    if counts["drift"]:
        log.warning("%d rows disagree: see `autopack db check`", counts["drift"])
    return counts
