"""Finding the rows of one attempt, in any table that has its key."""

from __future__ import annotations

import sqlalchemy as sa

from autopack.model.ids import AttemptKey


def of_attempt(table: sa.Table, key: AttemptKey) -> sa.ColumnElement[bool]:
    """Return the condition that picks an attempt's rows out of ``table``."""
    return sa.and_(
        table.c.run_id == key.run_id,
        table.c.phase_id == key.phase_id,
        table.c.attempt == key.attempt,
    )
