"""Finding the rows of one attempt, in any table that has its key.

A statement that every phase needs is made once, for making it costs more than most queries do: it
names its rows by parameters.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from autopack.model.ids import AttemptKey


def named_run(table: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that picks the rows of the run that `run_named` gives."""
    return table.c.run_id == sa.bindparam("of_run")


def named_phase(table: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that picks the rows of the phase that `phase_named` gives."""
    return sa.and_(named_run(table), table.c.phase_id == sa.bindparam("of_phase"))


def named_attempt(table: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that picks the rows of the attempt that `attempt_named` gives."""
    return sa.and_(named_phase(table), table.c.attempt == sa.bindparam("of_attempt"))


def run_named(run_id: str) -> dict[str, Any]:
    """Return the parameters that name a run."""
    return {"of_run": run_id}


def phase_named(run_id: str, phase_id: str) -> dict[str, Any]:
    """Return the parameters that name a phase."""
    return {"of_run": run_id, "of_phase": phase_id}


def attempt_named(key: AttemptKey) -> dict[str, Any]:
    """Return the parameters that name an attempt."""
    return {"of_run": key.run_id, "of_phase": key.phase_id, "of_attempt": key.attempt}


def of_attempt(table: sa.Table, key: AttemptKey) -> sa.ColumnElement[bool]:
    """Return the condition that picks an attempt's rows out of ``table``."""
    return sa.and_(
        table.c.run_id == key.run_id,
        table.c.phase_id == key.phase_id,
        table.c.attempt == key.attempt,
    )
