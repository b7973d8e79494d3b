"""Which runs a collector of OpenTelemetry was told of, so that each is told of once."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from autopack.store import tables
from autopack.store.database.engine import Database, insert_new, reading
from autopack.store.reading import Source


def unsent_runs(source: Source, *, since: datetime, limit: int) -> list[str]:
    """Return runs that ended after ``since`` and were not sent since then, the oldest first."""
    runs, sent = tables.runs, tables.sent_spans
    query = (
        sa.select(runs.c.run_id)
        .outerjoin(sent, sent.c.run_id == runs.c.run_id)
        .where(
            runs.c.finished_at > since,
            sa.or_(sent.c.until.is_(None), sent.c.until < runs.c.finished_at),
        )
        .order_by(runs.c.finished_at, runs.c.run_id)
        .limit(limit)
    )
    with reading(source) as conn:
        return list(conn.scalars(query))


def sent_until(source: Source, run_id: str) -> datetime | None:
    """Return up to which time the facts of a run were sent; None when they never were."""
    table = tables.sent_spans
    with reading(source) as conn:
        return conn.scalar(sa.select(table.c.until).where(table.c.run_id == run_id))


def note_sent(db: Database, run_id: str, until: datetime) -> None:
    """Note that a collector has the facts of a run up to ``until``."""
    table = tables.sent_spans

    def write(conn: sa.Connection) -> None:
        new = insert_new(conn, table).values(run_id=run_id, until=until)
        if conn.execute(new.returning(table.c.run_id)).first() is None:
            conn.execute(sa.update(table).where(table.c.run_id == run_id).values(until=until))

    db.transact(write)
