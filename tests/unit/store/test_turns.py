"""Runs that a fleet has begun beforehand: who is held back, until when, and who rests."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from autopack.model.states import RunState
from autopack.runs import turn as waiting
from autopack.store import Database, Holder, leases, runs
from autopack.store.database.engine import now
from autopack.store.tables.control import turns as table
from autopack.store.turns import (
    HELD_SECONDS,
    TurnState,
    end_turn,
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


async def test_nobody_waits_who_is_in_no_fleet(database: Database, run: Any) -> None:
    assert await waiting.has_turn("run-1", database)


def given(db: Database) -> None:
    move_turn(db, "run-1", TurnState.GIVEN)


def silent(db: Database) -> None:
    let_it_age(db, HELD_SECONDS + 1)


def withdrawn(db: Database) -> None:
    end_turn(db, "run-1")


def to_be_cancelled(db: Database) -> None:
    runs.request_cancel(db, "run-1")


def cancelled(db: Database) -> None:
    lease = leases.acquire(db, "run-1", Holder.of_this_process(), 45).lease
    db.transact(lambda conn: runs.move_run(conn, lease, RunState.DONE_CANCELLED))


@pytest.mark.parametrize(
    ("happens", "works"),
    [
        (given, True),
        (silent, True),
        (withdrawn, False),
        (to_be_cancelled, False),
        (cancelled, False),
    ],
)
async def test_what_ends_the_wait_of_a_run(
    database: Database, run: Any, happens: Any, works: bool
) -> None:
    hold_back(database, "run-1", "many")
    begun = asyncio.create_task(waiting.has_turn("run-1", database))
    await asyncio.sleep(3 * waiting.LOOK_SECONDS)
    assert not begun.done()
    assert ready_among(database, ["run-1"]) == ["run-1"]
    happens(database)
    assert await asyncio.wait_for(begun, 10) is works
