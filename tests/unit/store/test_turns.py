"""Runs that a fleet has begun beforehand: who is held back, until when, and who rests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from autopack.store import Database
from autopack.store.database.engine import now
from autopack.store.tables.control import turns as table
from autopack.store.turns import (
    HELD_SECONDS,
    TurnState,
    hold_back,
    keep_back,
    move_turn,
    ready_among,
    turn_of,
)


def let_it_age(db: Database, seconds: float) -> None:
    """As if its fleet had said nothing for so long."""

    def write(conn: sa.Connection) -> None:
        conn.execute(sa.update(table).values(renewed_at=now(conn) - timedelta(seconds=seconds)))

    db.transact(write)


def holds_back(db: Database) -> bool:
    turn = turn_of(db, "run-1")
    return turn is not None and turn.holds_back


def test_a_run_is_held_back_until_it_is_given_its_turn(database: Database, run: Any) -> None:
    assert turn_of(database, "run-1") is None
    hold_back(database, "run-1", "many")
    assert holds_back(database)
    assert ready_among(database, ["run-1", "run-2"]) == []
    move_turn(database, "run-1", TurnState.READY)
    assert holds_back(database)
    assert ready_among(database, ["run-1", "run-2"]) == ["run-1"]
    move_turn(database, "run-1", TurnState.GIVEN)
    assert not holds_back(database)
    assert ready_among(database, ["run-1"]) == []


def test_a_fleet_that_says_nothing_any_more_holds_nobody_back(database: Database, run: Any) -> None:
    hold_back(database, "run-1", "many")
    let_it_age(database, HELD_SECONDS + 1)
    assert not holds_back(database)
    keep_back(database, ["run-1"])
    assert holds_back(database)


def test_a_run_that_begins_again_waits_again(database: Database, run: Any) -> None:
    hold_back(database, "run-1", "many")
    move_turn(database, "run-1", TurnState.GIVEN)
    hold_back(database, "run-1", "more")
    turn = turn_of(database, "run-1")
    assert turn is not None
    assert (turn.fleet, turn.state, turn.holds_back) == ("more", TurnState.HELD, True)
