"""The line of a fleet before its workers: so many runs at once, the next ones ready to begin.

Starting a process and loading what it needs takes seconds, which a short run should not pay. So
the next runs are submitted before there is room for them, know which runs go first, and begin by
themselves in the moment one of those ends, also when the fleet is no longer there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from prefect import get_client
from prefect.states import Running

from autopack.execution.session import is_stopping
from autopack.store.engine import Database
from autopack.store.overview import count_under_way
from autopack.store.runs import get_run
from tasks.reconciling import WAITING

MOST_AHEAD = 3
"""How many runs are made ready; each is a process with Prefect loaded, about 150 MB."""

_LOOK_SECONDS = 0.5


class Place:
    """One run's place in the line; ``behind`` are the runs that go first."""

    def __init__(self, line: Line, run_id: str, behind: Sequence[str], *, fresh: bool) -> None:
        self._line = line
        self.run_id = run_id
        self.behind = list(behind)
        self.begun = False
        self.fresh = fresh

    @property
    def at_once(self) -> int:
        """How many runs of the line may be under way."""
        return self._line.at_once

    def its_turn(self) -> bool:
        """Whether there is room for the run."""
        return self._line.before(self) < self.at_once

    async def has_begun(self) -> None:
        """Note that somebody works on the run, so that others may be made ready."""
        if not self.begun:
            self.begun = True
            await self._line.look_again()

    async def go_last(self) -> None:
        """Note that the run was under way and has to be submitted again, behind all others."""
        self.begun = self.fresh = False
        self.behind = self._line.others(self)
        await self._line.look_again()


class Line:
    """Places for the runs of one fleet.

    A run is made ready only when so many as may be are under way: those end in any case, or lose
    their lease, while one that is not under way might never be. There are never more ready ones
    than that, so that no run waits for ready ones alone.
    """

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self._ahead = min(at_once, MOST_AHEAD)
        self._places: list[Place] = []
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def place(self, run_id: str, *, fresh: bool) -> AsyncGenerator[Place]:
        """A place, once it is time to submit the run; given back at the end of the block.

        One that is not ``fresh`` (it was under way before) is not made ready, and until it is
        under way again none is: those behind it could not tell it from one that was abandoned.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._has_room(ahead=self._ahead if fresh else 0))
            behind = [one.run_id for one in self._places]
            place = Place(self, run_id, behind, fresh=fresh)
            self._places.append(place)
        try:
            yield place
        finally:
            self._places.remove(place)
            await self.look_again()

    def before(self, place: Place) -> int:
        """How many runs before it have not ended."""
        return sum(one.run_id in place.behind for one in self._places if one is not place)

    def others(self, place: Place) -> list[str]:
        """Every run but this one that has a place."""
        return [one.run_id for one in self._places if one is not place]

    async def look_again(self) -> None:
        """Let those who wait for a place see what has changed."""
        async with self._changed:
            self._changed.notify_all()

    def _has_room(self, ahead: int) -> bool:
        at_work = sum(place.begun for place in self._places)
        returning = any(not (place.begun or place.fresh) for place in self._places)
        may_be_ready = at_work >= self.at_once and not returning
        return len(self._places) < self.at_once + (ahead if may_be_ready else 0)


async def wait_for_turn(
    db: Database, run_id: str, behind: Sequence[str], at_once: int, flow_run_id: str | None
) -> None:
    """Return when fewer than ``at_once`` of the runs that go first are left, the run itself has
    ended, or this process is to stop. The UI shows meanwhile that the flow run waits.
    """
    shown = False
    while (
        count_under_way(db, behind) >= at_once
        and not get_run(db, run_id).state.is_final
        and not is_stopping()
    ):
        if not shown:
            await _show(flow_run_id, WAITING, f"behind {', '.join(behind)}")
            shown = True
        await asyncio.sleep(_LOOK_SECONDS)
    if shown:
        await _show(flow_run_id, "Running", None)


async def _show(flow_run_id: str | None, name: str, message: str | None) -> None:
    if flow_run_id is not None:
        async with get_client() as client:
            state = Running(name=name, message=message)
            await client.set_flow_run_state(UUID(flow_run_id), state, force=True)
