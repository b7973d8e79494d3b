"""Turns: a fleet has runs begin before it has room for them, and work once it has.

While a fleet holds a run back, and has said so within the last minute, nothing of the run is done.
A fleet that is gone holds nobody back; one that gives up takes back what it has not given.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from autopack.store.database.engine import Database, now, now_in_sql, reading
from autopack.store.reading import Source
from autopack.store.tables.control import turns

HELD_SECONDS = 60
"""How long a run is held back by a fleet that says nothing any more."""

_KEPT_SECONDS = 24 * 3600


class TurnState(StrEnum):
    """How far a run is that its fleet has begun."""

    HELD = "held"
    READY = "ready"
    """It only waits for its turn."""
    GIVEN = "given"


@dataclass(frozen=True)
class Turn:
    """A run's turn in its fleet, and when that last said that it holds the run back.

    ``is_kept`` is whether that was within the last minute.
    """

    fleet: str
    state: TurnState
    renewed_at: datetime
    is_kept: bool


def hold_back(db: Database, run_id: str, fleet: str) -> None:
    """Have the run wait for its turn once it is ready to work; forget what nobody keeps."""

    def write(conn: sa.Connection) -> None:
        forgotten = turns.c.renewed_at < now(conn) - timedelta(seconds=_KEPT_SECONDS)
        conn.execute(sa.delete(turns).where((turns.c.run_id == run_id) | forgotten))
        held = {"run_id": run_id, "fleet": fleet, "state": TurnState.HELD}
        conn.execute(sa.insert(turns).values(**held, renewed_at=now_in_sql(conn)))

    db.transact(write)


def keep_back(db: Database, run_ids: Collection[str], fleet: str) -> None:
    """Say again that the fleet holds these runs back."""

    def write(conn: sa.Connection) -> None:
        kept = sa.update(turns).where(turns.c.run_id.in_(run_ids), turns.c.fleet == fleet)
        conn.execute(kept.values(renewed_at=now_in_sql(conn)))

    db.transact(write)


def note_ready(db: Database, run_id: str) -> None:
    """Note that a run which is held back only waits for its turn."""
    held = (turns.c.run_id == run_id) & (turns.c.state == TurnState.HELD)
    ready = sa.update(turns).where(held).values(state=TurnState.READY)
    db.transact(lambda conn: conn.execute(ready))


def give_turn(db: Database, run_id: str, fleet: str) -> None:
    """Hold the run back no longer."""
    given = sa.update(turns).where(_is(run_id, fleet)).values(state=TurnState.GIVEN)
    db.transact(lambda conn: conn.execute(given))


def end_turn(db: Database, run_id: str, fleet: str) -> None:
    """Forget the run's turn; a run that waits for it is to rest."""
    db.transact(lambda conn: conn.execute(sa.delete(turns).where(_is(run_id, fleet))))


def _is(run_id: str, fleet: str) -> sa.ColumnElement[bool]:
    return (turns.c.run_id == run_id) & (turns.c.fleet == fleet)


def turn_of(source: Source, run_id: str) -> Turn | None:
    """Return the run's turn; None where no fleet has begun it beforehand."""
    query = sa.select(turns).where(turns.c.run_id == run_id)
    with reading(source) as conn:
        row = conn.execute(query).first()
        if row is None:
            return None
        kept = row.renewed_at >= now(conn) - timedelta(seconds=HELD_SECONDS)
        return Turn(row.fleet, TurnState(row.state), row.renewed_at, kept)


def ready_among(source: Source, run_ids: Collection[str]) -> list[str]:
    """Return those of these runs that only wait for their turn."""
    ready = turns.c.state == TurnState.READY
    query = sa.select(turns.c.run_id).where(turns.c.run_id.in_(run_ids), ready)
    with reading(source) as conn:
        return list(conn.scalars(query))
