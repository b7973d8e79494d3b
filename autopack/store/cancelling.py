"""Runs that are to be cancelled: the request is stored first, then acted on."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from autopack.model.errors import DatabaseRefused, NotFound, Refused
from autopack.model.states import RunState
from autopack.store.database.engine import Database
from autopack.store.leases import holder_of
from autopack.store.rows import RunRow
from autopack.store.runs import request_cancel
from autopack.store.tables import runs


def request_cancel_of(db: Database, run_ids: Iterable[str]) -> list[str]:
    """Ask for the end of those runs that are stored and have not ended; return these.

    Raises DatabaseRefused.
    """
    asked: list[str] = []
    for run_id in run_ids:
        try:
            request_cancel(db, run_id)
        except DatabaseRefused:
            raise  # nobody has been asked
        except (NotFound, Refused):
            continue  # not stored yet, or ended
        asked.append(run_id)
    return asked


def unheld_runs(db: Database) -> list[RunRow]:
    """Runs that have not ended and that no living holder works on, oldest first."""
    open_states = [state for state in RunState if not state.is_final]
    query = (
        sa.select(runs)
        .where(runs.c.state.in_(open_states))
        .order_by(runs.c.created_at, runs.c.run_id)
    )
    with db.read() as conn:
        found = [RunRow.of(row) for row in conn.execute(query).mappings()]
    return [run for run in found if not _is_held(db, run.run_id)]


def _is_held(db: Database, run_id: str) -> bool:
    holder = holder_of(db, run_id)
    return holder is not None and not holder.is_gone()
