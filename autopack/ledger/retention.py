"""Moving old calls out of the ledger: their sums and keys stay, so that nothing counts twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from autopack.ledger.period import moment_ago
from autopack.ledger.sums import event_columns, keys_of
from autopack.model.states import RunState
from autopack.store.database.engine import Database, insert_new
from autopack.store.tables import llm_call_intents, llm_usage_events, runs
from autopack.store.tables.rollups import (
    SUMS,
    retention_open,
    usage_archive,
    usage_archive_keys,
    usage_by_run,
)

_FINAL = [state for state in RunState if state.is_final]


@dataclass(frozen=True)
class Retained:
    """The runs whose calls were archived, or would be, and how many calls those are."""

    cutoff: datetime
    run_ids: tuple[str, ...]
    events: int


def retain(db: Database, older_than: timedelta, *, dry_run: bool = False) -> Retained:
    """Archive the calls of runs that finished before so long ago, one transaction a run.

    Runs that only a file told of count as finished with their last call. What is archived is
    deleted from the ledger; every sum and every other table keeps what it has. Raises BadInput
    when ``older_than`` reaches back before the calendar does.
    """
    with db.read() as conn:
        cutoff = moment_ago(db.now(conn), older_than, "--older-than")
        found = conn.execute(_archivable(cutoff)).all()
    chosen = tuple(row.run_id for row in found)
    if dry_run:
        return Retained(cutoff, chosen, sum(row.n for row in found))
    moved = sum(db.transact(partial(_archive, run_id=run_id)) for run_id in chosen)
    return Retained(cutoff, chosen, moved)


def _archivable(cutoff: datetime) -> sa.Select[str, int]:
    """The runs that ended before ``cutoff`` and have calls in the ledger, and how many."""
    finished = sa.select(runs.c.run_id).where(runs.c.state.in_(_FINAL), runs.c.finished_at < cutoff)
    known = sa.exists().where(runs.c.run_id == usage_by_run.c.run_id)
    imported = (
        sa.select(usage_by_run.c.run_id)
        .where(~known)
        .group_by(usage_by_run.c.run_id)
        .having(sa.func.max(usage_by_run.c.day) < cutoff.date())
    )
    run_id = llm_usage_events.c.run_id
    return (
        sa.select(run_id, sa.func.count().label("n"))
        .where(run_id.in_(sa.union_all(finished, imported)))
        .group_by(run_id)
        .order_by(run_id)
    )


def _archive(conn: sa.Connection, run_id: str) -> int:
    events, keys = llm_usage_events, usage_archive_keys
    if conn.dialect.name == "postgresql":
        # A repeated ingest must either see the key in the ledger or in the archive.
        conn.exec_driver_sql("LOCK TABLE llm_usage_events IN SHARE ROW EXCLUSIVE MODE")
    conn.execute(
        insert_new(conn, keys).from_select(
            ["event_key"], sa.select(events.c.event_key).where(events.c.run_id == run_id)
        )
    )
    _add_sums(conn, run_id)
    conn.execute(sa.insert(retention_open).values(door=1))
    deleted = conn.execute(sa.delete(events).where(events.c.run_id == run_id)).rowcount
    conn.execute(
        sa.delete(llm_call_intents).where(
            llm_call_intents.c.run_id == run_id, llm_call_intents.c.closed_at.is_not(None)
        )
    )
    conn.execute(sa.delete(retention_open))
    return deleted


def _add_sums(conn: sa.Connection, run_id: str) -> None:
    keys = keys_of(usage_archive)
    columns = event_columns(conn.dialect.name)
    grouped = (
        sa.select(
            *(columns[key].label(key) for key in keys),
            *(sa.func.sum(columns[name]).label(name) for name in SUMS),
        )
        .where(llm_usage_events.c.run_id == run_id)
        .group_by(*(sa.literal_column(str(n + 1)) for n in range(len(keys))))
    )
    for row in conn.execute(grouped).mappings().all():
        _add(conn, {**row, **{name: int(row[name]) for name in SUMS}})


def _add(conn: sa.Connection, row: dict[str, Any]) -> None:
    """Add one row of sums to what the archive has for its keys."""
    where = sa.and_(*(usage_archive.c[key] == row[key] for key in keys_of(usage_archive)))
    zero = {**row, **dict.fromkeys(SUMS, 0)}
    conn.execute(insert_new(conn, usage_archive).values(zero))
    conn.execute(
        sa.update(usage_archive)
        .where(where)
        .values({name: usage_archive.c[name] + row[name] for name in SUMS})
    )
