"""A run that its fleet has begun beforehand: nothing of it is done before it has its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.projects import call, make_project

from autopack.clock import SystemClock
from autopack.model.states import AttemptState, RunState
from autopack.runs.attempt.begin_attempt import begin, give_back
from autopack.runs.session import turn as waiting
from autopack.runs.session.opening import Given, close_session, enter, open_session
from autopack.runs.session.session import RunSession
from autopack.runs.session.stop import RunStopped, StopReason
from autopack.settings import Settings
from autopack.store import Database
from autopack.store.runs import AttemptRow, get_attempts, request_cancel
from autopack.store.tables.budgets import budget_reservations
from autopack.store.turns import end_turn, give_turn, hold_back, keep_back, ready_among


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
    give_turn(db, "r", "many")


def silent(db: Database) -> None:
    """As if its fleet had died."""


def withdrawn(db: Database) -> None:
    end_turn(db, "r", "many")


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
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[Database], None],
    stops: StopReason | None,
) -> None:
    monkeypatch.setattr(waiting, "HELD_SECONDS", 1.0)
    hold_back(database, "r", "many")
    begun = asyncio.create_task(waiting.wait_for_turn(session))
    for _ in range(15):
        await asyncio.sleep(0.1)
        keep_back(database, ["r"], "many")
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


async def test_a_fleet_that_was_gone_before_holds_nobody_back(
    session: RunSession, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_back(database, "r", "many")
    turn = waiting.turn_of(database, "r")
    assert turn is not None
    gone = replace(turn, is_kept=False)
    monkeypatch.setattr(waiting, "turn_of", lambda *_: gone)
    await asyncio.wait_for(waiting.wait_for_turn(session), 10)


async def test_an_attempt_that_is_given_back_is_interrupted_and_holds_no_budget(
    session: RunSession, database: Database
) -> None:
    enter(session)
    begun = begin(session, "one")
    assert isinstance(begun, AttemptRow)
    give_back(session, begun)
    (attempt,) = get_attempts(database, "r")
    assert attempt.state is AttemptState.INTERRUPTED
    with database.read() as conn:
        open_ones = sa.select(sa.func.count()).where(budget_reservations.c.settled_at.is_(None))
        assert conn.scalar(open_ones) == 0
    again = begin(session, "one")
    assert isinstance(again, AttemptRow)
    assert again.attempt == 2
