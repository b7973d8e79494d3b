"""A run that its fleet has begun beforehand: nothing of it is done before it has its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.projects import call, make_project

from autopack.clock import SystemClock
from autopack.model.states import RunState
from autopack.runs.session import turn as waiting
from autopack.runs.session.opening import Given, close_session, enter, open_session
from autopack.runs.session.session import RunSession
from autopack.runs.session.stop import RunStopped, StopReason
from autopack.settings import Settings
from autopack.store import Database
from autopack.store.database.engine import now
from autopack.store.runs import request_cancel
from autopack.store.tables.control import turns as table
from autopack.store.turns import (
    HELD_SECONDS,
    TurnState,
    end_turn,
    hold_back,
    move_turn,
    ready_among,
)


@pytest.fixture
def session(
    tmp_path: Path, store: Callable[..., str], database: Database, settings: Settings
) -> Iterator[RunSession]:
    project = make_project(tmp_path / "project", {"one": [[call(5), {"files": {"a": "1"}}]]})
    run_id = store(project)
    given = Given(enters=False)
    made = open_session(run_id, db=database, settings=settings, clock=SystemClock(), given=given)
    yield made
    close_session(made)


async def test_a_run_of_no_fleet_waits_for_nobody_and_is_under_way_when_it_enters(
    session: RunSession,
) -> None:
    assert session.run().state is RunState.RUN_CREATED
    await waiting.wait_for_turn(session)
    assert session.run().started_at is None
    for _ in range(2):
        enter(session)
        assert session.run().state is RunState.PHASE_EXECUTION
        assert session.run().started_at is not None


def given(db: Database) -> None:
    move_turn(db, "r", TurnState.GIVEN)


def silent(db: Database) -> None:
    """As if its fleet had died, and said nothing since."""

    def write(conn: sa.Connection) -> None:
        long_ago = now(conn) - timedelta(seconds=HELD_SECONDS + 1)
        conn.execute(sa.update(table).values(renewed_at=long_ago))

    db.transact(write)


def withdrawn(db: Database) -> None:
    end_turn(db, "r")


def cancelled(db: Database) -> None:
    request_cancel(db, "r")


@pytest.mark.parametrize(
    ("happens", "stops"),
    [
        (given, None),
        (silent, None),
        (withdrawn, StopReason.INTERRUPTED),
        (cancelled, StopReason.CANCELLED),
    ],
)
async def test_what_ends_the_wait(
    session: RunSession,
    database: Database,
    happens: Callable[[Database], None],
    stops: StopReason | None,
) -> None:
    hold_back(database, "r", "many")
    begun = asyncio.create_task(waiting.wait_for_turn(session))
    await asyncio.sleep(3 * waiting.LOOK_SECONDS)
    assert not begun.done()
    assert session.waits_for == "its turn in fleet many"
    assert ready_among(database, ["r"]) == ["r"]
    happens(database)
    if stops is None:
        await asyncio.wait_for(begun, 10)
    else:
        with pytest.raises(RunStopped) as stopped:
            await asyncio.wait_for(begun, 10)
        assert stopped.value.reason is stops
    assert session.waits_for is None
    assert session.run().started_at is None
