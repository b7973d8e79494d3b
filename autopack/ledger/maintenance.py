"""What has to be done now and then: spools ingested, leases released, old calls archived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from autopack.ledger.check import check
from autopack.ledger.recorder import ingest_all
from autopack.ledger.retention import retain
from autopack.model.states import RunState
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.expiry import Moment
from autopack.store.tables import leases, runs

KEPT = timedelta(days=90)


@dataclass(frozen=True)
class Maintained:
    """How much of each kind of work there was; ``drift`` counts rows that disagree."""

    ingested_events: int
    refused_events: int
    released_leases: int
    archived_runs: int
    archived_events: int
    drift: int
    archived_refs: int = 0
    packed_clones: int = 0


def maintain(db: Database, settings: Settings, *, older_than: timedelta = KEPT) -> Maintained:
    """Do it all; harmless to repeat, and beside runs that are at work."""
    ingested = ingest_all(db, settings.home)
    released = db.transact(_release_of_final_runs)
    archived = retain(db, older_than)
    return Maintained(
        ingested_events=ingested.new,
        refused_events=ingested.spooled,
        released_leases=released,
        archived_runs=len(archived.run_ids),
        archived_events=archived.events,
        drift=len(check(db)),
    )


def _release_of_final_runs(conn: sa.Connection) -> int:
    """Only those: the lease of an unfinished run tells its next holder who crashed on it. And only
    what has run out: the holder of a run that has just ended still clears up.
    """
    final = [state for state in RunState if state.is_final]
    ended = sa.select(runs.c.run_id).where(runs.c.state.in_(final))
    held = sa.select(leases).where(leases.c.expires_at.is_not(None), leases.c.run_id.in_(ended))
    moment = Moment(conn)
    past = [
        (row.run_id, row.token)
        for row in conn.execute(held)
        if moment.is_past(row.expires_at, row.uptime)
    ]
    for run_id, token in past:
        own = sa.and_(leases.c.run_id == run_id, leases.c.token == token)
        conn.execute(sa.update(leases).where(own).values(expires_at=None))
    return len(past)
