"""Runs that are to be cancelled: the request is stored first, whoever finds them closes them."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from autopack.errors import NotFound, Refused
from autopack.store.engine import Database, now
from autopack.store.leases import Holder
from autopack.store.rows import RunRow
from autopack.store.runs import request_cancel
from autopack.store.states import RunState
from autopack.store.tables import leases, runs


def request_cancel_of(db: Database, run_ids: Iterable[str]) -> list[str]:
    """Ask for the end of those runs that are stored and have not ended; return these."""
    asked: list[str] = []
    for run_id in run_ids:
        try:
            request_cancel(db, run_id)
        except (NotFound, Refused):
            continue  # not stored yet, or ended
        asked.append(run_id)
    return asked


def unheld_runs(db: Database) -> list[RunRow]:
    """Runs that have not ended and that no living holder works on, oldest first."""
    of_open = runs.c.state.in_([state for state in RunState if not state.is_final])
    in_order = sa.select(runs).where(of_open).order_by(runs.c.created_at, runs.c.run_id)
    taken = sa.select(leases.c.run_id, leases.c.holder).where(
        leases.c.run_id.in_(sa.select(runs.c.run_id).where(of_open)),
        leases.c.expires_at > sa.bindparam("at"),
    )
    with db.read() as conn:
        found = [RunRow.of(row) for row in conn.execute(in_order).mappings()]
        leased = conn.execute(taken, {"at": now(conn)}).all()
    held = {run_id for run_id, holder in leased if not Holder.from_json(holder).is_gone()}
    return [run for run in found if run.run_id not in held]
