"""Runs that a fleet has begun beforehand: which of them is held back, and by whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from autopack.store import Database
from autopack.store.database.engine import now
from autopack.store.tables.control import turns as table
from autopack.store.turns import (
    HELD_SECONDS,
    TurnState,
    end_turn,
    give_turn,
    hold_back,
    keep_back,
    note_ready,
    ready_among,
    turn_of,
)


def let_it_age(db: Database, seconds: float) -> None:
    """As if its fleet had said nothing for so long."""

    def write(conn: sa.Connection) -> None:
        conn.execute(sa.update(table).values(renewed_at=now(conn) - timedelta(seconds=seconds)))

    db.transact(write)


def standing(db: Database) -> tuple[TurnState, bool] | None:
    turn = turn_of(db, "run-1")
    return None if turn is None else (turn.state, turn.is_kept)


def test_a_run_is_held_back_until_it_is_given_its_turn(database: Database, run: Any) -> None:
    assert standing(database) is None
    hold_back(database, "run-1", "many")
    assert standing(database) == (TurnState.HELD, True)
    assert ready_among(database, ["run-1", "run-2"]) == []
    note_ready(database, "run-1")
    assert standing(database) == (TurnState.READY, True)
    assert ready_among(database, ["run-1", "run-2"]) == ["run-1"]
    give_turn(database, "run-1", "many")
    assert standing(database) == (TurnState.GIVEN, True)
    note_ready(database, "run-1")
    assert standing(database) == (TurnState.GIVEN, True), "another flow run of it came later"
    assert ready_among(database, ["run-1"]) == []
    end_turn(database, "run-1", "many")
    assert standing(database) is None


def test_a_fleet_that_says_nothing_any_more_keeps_nobody(database: Database, run: Any) -> None:
    hold_back(database, "run-1", "many")
    let_it_age(database, HELD_SECONDS + 1)
    assert standing(database) == (TurnState.HELD, False)
    keep_back(database, ["run-1"], "many")
    assert standing(database) == (TurnState.HELD, True)


@pytest.mark.parametrize("late", [give_turn, end_turn])
def test_a_fleet_says_nothing_of_a_run_that_another_has_begun(
    database: Database, run: Any, late: Any
) -> None:
    hold_back(database, "run-1", "many")
    hold_back(database, "run-1", "more")
    late(database, "run-1", "many")
    let_it_age(database, HELD_SECONDS + 1)
    keep_back(database, ["run-1"], "many")
    assert standing(database) == (TurnState.HELD, False)


def test_what_a_killed_fleet_left_is_forgotten(database: Database, run: Any) -> None:
    hold_back(database, "run-1", "many")
    let_it_age(database, 25 * 3600)
    hold_back(database, "run-2", "many")
    assert standing(database) is None
