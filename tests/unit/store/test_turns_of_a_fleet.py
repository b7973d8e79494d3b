"""The slots of a fleet at workers: how many work, how many have begun, and what is left behind."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import sqlalchemy as sa

from autopack.store import Database, runs
from autopack.store.tables.control import turns as table
from autopack.store.turns import TurnState, note_ready, turn_of
from flows import turns as slots
from flows.turns import Turns

AT_ONCE, AHEAD = 2, 3
NAMES = [f"run-{number}" for number in range(8)]


@pytest.fixture
def engine_name() -> str:
    """SQLite alone: what is stored is tested with the store."""
    return "sqlite"


@pytest.fixture
async def turns(database: Database, new_run: Callable[..., runs.NewRun]) -> AsyncGenerator[Turns]:
    for name in NAMES:
        runs.create_run(database, new_run(run_id=name, branch=f"autopack/{name}"), [("one", "T1")])
    made = Turns(database, "many", AT_ONCE, ahead=AHEAD)
    async with made.kept():
        yield made


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run begins, and has its turn, as soon as one has ended."""
    monkeypatch.setattr(slots, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(slots, "APART_SECONDS", 0.0)


async def has_turn(run_id: str, db: Database) -> bool:
    """Do as a run does that is ready; whether it may work in the end, and does not rest."""
    note_ready(db, run_id)
    while True:
        turn = turn_of(db, run_id)
        if turn is None or turn.state is TurnState.GIVEN:
            return turn is not None
        await asyncio.sleep(0.05)


def rows(db: Database) -> int:
    with db.read() as conn:
        return conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(400):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came to that")


class Seen:
    """How many runs had begun at once, and how many of them worked."""

    def __init__(self) -> None:
        self.begun = self.working = self.most_begun = self.most_working = 0

    @asynccontextmanager
    async def beginning(self) -> AsyncGenerator[None]:
        self.begun += 1
        self.most_begun = max(self.most_begun, self.begun)
        yield
        self.begun -= 1

    async def work(self) -> None:
        self.working += 1
        self.most_working = max(self.most_working, self.working)
        await asyncio.sleep(0.3)
        self.working -= 1


async def test_a_few_begin_beforehand_and_only_as_many_work_as_may(
    turns: Turns, database: Database
) -> None:
    seen = Seen()

    async def executed(name: str) -> None:
        async with turns.place(name), turns.turn(name), seen.beginning():
            assert await has_turn(name, database)
            await seen.work()

    await asyncio.gather(*(executed(name) for name in NAMES))
    assert seen.most_working == AT_ONCE
    assert seen.most_begun == AT_ONCE + min(AT_ONCE, AHEAD)
    assert rows(database) == 0


async def test_the_slot_of_a_run_that_crashed_is_given_to_one_that_is_ready(
    turns: Turns, database: Database
) -> None:
    # Its second flow run may have to wait for a worker behind those that are held back.
    async with AsyncExitStack() as first:
        for name in NAMES[:AT_ONCE]:
            await first.enter_async_context(turns.turn(name))
            assert await has_turn(name, database)
        async with turns.turn(NAMES[2]):
            next_one = asyncio.create_task(has_turn(NAMES[2], database))
            await asyncio.sleep(0.5)
            assert not next_one.done()
            await first.aclose()
            assert await asyncio.wait_for(next_one, 10)


async def test_who_was_not_given_a_turn_rests_when_the_fleet_gives_up(
    turns: Turns, database: Database
) -> None:
    async def executed(name: str) -> bool:
        async with turns.place(name), turns.turn(name):
            await asyncio.sleep(60)
        return False

    fleet = [asyncio.create_task(executed(name)) for name in NAMES]
    await until(lambda: rows(database) == AT_ONCE)
    at_workers = [asyncio.create_task(has_turn(name, database)) for name in NAMES[:AT_ONCE]]
    await until(lambda: all(one.done() for one in at_workers))
    await until(lambda: rows(database) == 2 * AT_ONCE)
    beforehand = NAMES[AT_ONCE : 2 * AT_ONCE]
    at_workers += [asyncio.create_task(has_turn(name, database)) for name in beforehand]
    await asyncio.sleep(0.5)
    for one in fleet:
        one.cancel()
    await asyncio.gather(*fleet, return_exceptions=True)
    assert await asyncio.gather(*at_workers) == [True, True, False, False]
    assert rows(database) == 0


async def test_a_run_that_somebody_works_on_has_a_slot(turns: Turns, database: Database) -> None:
    async with AsyncExitStack() as others:
        for _ in range(AT_ONCE):
            await others.enter_async_context(turns.room())
        async with turns.turn(NAMES[0]):
            begun = asyncio.create_task(has_turn(NAMES[0], database))
            await asyncio.sleep(0.5)
            assert not begun.done()
            await others.aclose()
            assert await asyncio.wait_for(begun, 10)


async def test_a_place_that_was_not_needed_is_free_at_once(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A fleet that is started again passes hundreds of runs that have ended.
    monkeypatch.setattr(slots, "SETTLE_SECONDS", 600.0)
    async with asyncio.timeout(30):
        for _ in range(20):
            for name in NAMES:
                async with turns.place(name):
                    pass


@pytest.mark.parametrize(("processors", "apart"), [(1, 0.4), (2, 0.4), (8, 0.1), (None, 0.4)])
async def test_turns_are_given_apart_so_that_runs_do_not_end_together(
    database: Database,
    new_run: Callable[..., runs.NewRun],
    monkeypatch: pytest.MonkeyPatch,
    processors: int | None,
    apart: float,
) -> None:
    monkeypatch.setattr(slots, "APART_SECONDS", 0.4)
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    for name in NAMES[:4]:
        runs.create_run(database, new_run(run_id=name, branch=f"autopack/{name}"), [("one", "T1")])
    given: dict[str, float] = {}

    def give(db: Database, run_id: str, fleet: str) -> None:
        given[run_id] = time.monotonic()

    monkeypatch.setattr("autopack.store.turns.give_turn", give)
    turns = Turns(database, "many", 4)

    async def executed(name: str) -> None:
        async with turns.turn(name):
            note_ready(database, name)
            await until(lambda: name in given)

    await asyncio.gather(*(executed(name) for name in NAMES[:3]))
    times = sorted(given.values())
    assert all(after - before >= apart * 0.9 for before, after in itertools.pairwise(times))
    await asyncio.sleep(apart)
    began = time.monotonic()
    await executed(NAMES[3])
    assert given[NAMES[3]] - began < apart + 1, "a run that comes later has its turn at once"
