"""Turns: a fleet has runs begin before it has room for them, and work once it has.

While a fleet holds a run back, and has said so within the last minute, nothing of the run is done.
A fleet that is gone holds nobody back; one that gives up takes back what it has not given.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import sqlalchemy as sa

from autopack.store.database.engine import Database, now, now_in_sql, reading
from autopack.store.reading import Source
from autopack.store.tables.control import turns

HELD_SECONDS = 60
"""How long a run is held back by a fleet that says nothing any more."""


class TurnState(StrEnum):
    """How far a run is that its fleet has begun."""

    HELD = "held"
    READY = "ready"
    """It only waits for its turn."""
    GIVEN = "given"


@dataclass(frozen=True)
class Turn:
    """A run's turn in its fleet, and whether that still says that it holds the run back."""

    fleet: str
    state: TurnState
    is_kept: bool

    @property
    def holds_back(self) -> bool:
        """Whether nothing may be done of the run."""
        return self.is_kept and self.state is not TurnState.GIVEN


def hold_back(db: Database, run_id: str, fleet: str) -> None:
    """Have the run wait for its turn once it is ready to work."""

    def write(conn: sa.Connection) -> None:
        conn.execute(sa.delete(turns).where(turns.c.run_id == run_id))
        held = {"run_id": run_id, "fleet": fleet, "state": TurnState.HELD}
        conn.execute(sa.insert(turns).values(**held, renewed_at=now_in_sql(conn)))

    db.transact(write)


def keep_back(db: Database, run_ids: Collection[str]) -> None:
    """Say again that these runs are held back."""

    def write(conn: sa.Connection) -> None:
        kept = sa.update(turns).where(turns.c.run_id.in_(run_ids))
        conn.execute(kept.values(renewed_at=now_in_sql(conn)))

    db.transact(write)


def move_turn(db: Database, run_id: str, state: TurnState) -> None:
    """Note that a run which is held back is ready, or that it may work."""
    moved = sa.update(turns).where(turns.c.run_id == run_id).values(state=state)
    db.transact(lambda conn: conn.execute(moved))


def end_turn(db: Database, run_id: str) -> None:
    """Forget the run's turn; a run that has not been given it is to rest."""
    db.transact(lambda conn: conn.execute(sa.delete(turns).where(turns.c.run_id == run_id)))


def turn_of(source: Source, run_id: str) -> Turn | None:
    """Return the run's turn; None where no fleet has begun it beforehand."""
    query = sa.select(turns).where(turns.c.run_id == run_id)
    with reading(source) as conn:
        row = conn.execute(query).first()
        if row is None:
            return None
        kept = row.renewed_at >= now(conn) - timedelta(seconds=HELD_SECONDS)
        return Turn(row.fleet, TurnState(row.state), kept)


def ready_among(source: Source, run_ids: Collection[str]) -> list[str]:
    """Return those of these runs that only wait for their turn."""
    ready = turns.c.state == TurnState.READY
    query = sa.select(turns.c.run_id).where(turns.c.run_id.in_(run_ids), ready)
    with reading(source) as conn:
        return list(conn.scalars(query))
