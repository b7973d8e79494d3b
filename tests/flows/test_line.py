"""The line before the workers: who may be submitted when, and who begins when."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.projects import make_simulated

# What differs between the engines is tested with the store.
one_engine = pytest.mark.parametrize("engine_name", ["sqlite"])


@dataclass
class Fleet:
    """Runs that take their places by themselves, and begin and end when a test says so."""

    at_once: int
    places: dict[str, object] = field(default_factory=dict)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _ends: dict[str, asyncio.Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from flows.line import Line

        self.line = Line(self.at_once)

    async def add(self, *names: str, fresh: bool = True) -> list[str]:
        for name in names:
            self._ends[name] = asyncio.Event()
            self._tasks.append(asyncio.create_task(self._take(name, fresh)))
        return await self.submitted()

    async def begin(self, *names: str) -> list[str]:
        for name in names:
            await self.places[name].has_begun()
        return await self.submitted()

    async def end(self, *names: str) -> list[str]:
        for name in names:
            self._ends[name].set()
        return await self.submitted()

    async def submitted(self) -> list[str]:
        """Those that have a place, when everybody has had time to take one."""
        for _ in range(20):
            await asyncio.sleep(0)
        return sorted(self.places)

    async def _take(self, name: str, fresh: bool) -> None:
        async with self.line.place(name, fresh=fresh) as place:
            self.places[name] = place
            await self._ends[name].wait()
        del self.places[name]


async def test_the_next_runs_are_made_ready_once_all_slots_are_at_work() -> None:
    fleet = Fleet(at_once=2)
    assert await fleet.add(*"abcdefg") == ["a", "b"]
    assert await fleet.begin("a") == ["a", "b"], "b may never begin"
    assert await fleet.begin("b") == ["a", "b", "c", "d"]
    assert fleet.places["c"].behind == ["a", "b"]
    assert fleet.places["d"].behind == ["a", "b", "c"]
    assert await fleet.end("a") == ["b", "c", "d"]
    assert fleet.places["c"].its_turn()
    assert not fleet.places["d"].its_turn()
    assert await fleet.begin("c") == ["b", "c", "d", "e"]
    assert fleet.places["e"].behind == ["b", "c", "d"]


async def test_a_run_that_never_began_gives_its_slot_to_the_next() -> None:
    fleet = Fleet(at_once=1)
    assert await fleet.add(*"ab") == ["a"]
    assert await fleet.end("a") == ["b"]
    assert fleet.places["b"].behind == []


async def test_what_was_under_way_before_is_not_made_ready() -> None:
    fleet = Fleet(at_once=1)
    await fleet.add("a")
    assert await fleet.begin("a") == ["a"]
    assert await fleet.add("old", fresh=False) == ["a"]
    assert await fleet.end("a") == ["old"]


async def test_a_run_that_died_goes_last_and_none_is_made_ready_meanwhile() -> None:
    fleet = Fleet(at_once=2)
    await fleet.add(*"abcdef")
    await fleet.begin("a", "b")
    assert await fleet.submitted() == ["a", "b", "c", "d"]
    await fleet.places["a"].go_last()
    assert fleet.places["a"].behind == ["b", "c", "d"]
    assert not fleet.places["a"].its_turn()
    await fleet.begin("c")
    assert await fleet.end("b") == ["a", "c", "d"], "one more could not tell that a comes back"
    await fleet.end("c")
    assert fleet.places["a"].its_turn()
    assert await fleet.begin("a", "d") == ["a", "d", "e", "f"]


async def test_no_more_than_three_are_made_ready() -> None:
    fleet = Fleet(at_once=5)
    await fleet.add(*"abcdefghijk")
    assert len(await fleet.begin(*"abcde")) == 5 + 3


async def test_the_same_run_twice_has_two_places() -> None:
    from flows.line import Line

    line = Line(2)
    async with AsyncExitStack() as places:
        one = await places.enter_async_context(line.place("a", fresh=True))
        two = await places.enter_async_context(line.place("a", fresh=True))
        assert (line.before(one), line.before(two)) == (0, 1)


@one_engine
async def test_a_run_begins_when_one_that_goes_first_has_ended(home: Path, tmp_path: Path) -> None:
    from autopack.settings import Settings
    from autopack.store.engine import Database
    from autopack.store.runs import get_run
    from flows import execute_run
    from flows.opening import request
    from tasks.preparing import prepare_run

    project = make_simulated(tmp_path, {"success": 1, "calls": 1, "seconds": 1})
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    for name in ("first", "next"):
        wanted = await request(
            plan=str(project.plan),
            repo=str(project.repository),
            commit=None,
            builder="simulated",
            builder_options=f"spec={project.recording}",
            model=None,
            features=None,
            token_cap=None,
            at_cap="fail",
            run_id=name,
        )
        await prepare_run.fn(wanted, db, settings)

    first, second = await asyncio.gather(
        execute_run(run_id="first"), execute_run(run_id="next", behind=["first"], at_once=1)
    )

    assert (first["state"], second["state"]) == ("DONE_SUCCESS", "DONE_SUCCESS")
    ended, began = get_run(db, "first").finished_at, get_run(db, "next").started_at
    db.close()
    assert ended is not None
    assert began is not None
    assert ended <= began
