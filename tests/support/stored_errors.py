"""Errors of failed attempts, put into a database as runs leave them there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from autopack.store.database.engine import Database
from autopack.store.tables.rollups import error_logs

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def error(number: int, output: str | None, **changes: Any) -> dict[str, Any]:
    """Return one row of the log: attempt 1 of phase ``one`` of a run of its own, a minute later."""
    row = {
        "run_id": f"run-{number}",
        "phase_id": "one",
        "attempt": 1,
        "error_type": "validation_failed",
        "message": "a check failed",
        "output": output,
        "pattern_id": None,
        "created_at": BEGAN + timedelta(minutes=number),
    }
    return {**row, **changes}


def store(db: Database, rows: Iterable[dict[str, Any]]) -> None:
    """Put rows into the log of errors."""
    listed = list(rows)
    db.transact(lambda conn: conn.execute(sa.insert(error_logs), listed))


def contents(db: Database, tables: Sequence[sa.Table]) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of some tables, in the order of their keys."""
    with db.read() as conn:
        return {
            table.name: [
                tuple(row) for row in conn.execute(sa.select(table).order_by(*table.primary_key))
            ]
            for table in tables
        }
