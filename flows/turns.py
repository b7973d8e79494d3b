"""Whose turn it is in a fleet: at most so many runs work, and a few more have begun.

A run at a worker, or in a process of its own, needs some seconds before it does anything: its flow
run is created and picked up, Python starts, its checkout is made. So that no slot stands empty
meanwhile, the next runs do all that beforehand, and then wait until they are told.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

from anyio import CancelScope
from prefect import get_run_logger

from autopack.model.errors import AutopackError, DatabaseRefused
from autopack.store import turns
from autopack.store.database.engine import Database
from flows.shared_look import SharedLook

MOST_AHEAD = 3
"""How many runs at most begin before there is room for them; never more than may work at once."""

SETTLE_SECONDS = 2.0
"""How long the start of another run waits when one has ended: those whose turn it is come first."""

APART_SECONDS = 0.6
"""The time between two turns, on two processors; on more, it is the shorter.

Runs that begin together end together, if their builds take the same time: then all wait for the
processors to end and to begin, and nothing is built. Apart, each has them while the others build.
"""

LOOK_SECONDS = 0.05
_RENEW_SECONDS = 15.0


class Turns:
    """The slots of one fleet."""

    def __init__(self, db: Database, fleet: str, at_once: int, *, ahead: int = 0) -> None:
        self._db, self._fleet = db, fleet
        self._places = asyncio.Semaphore(at_once)
        self._ahead = min(at_once, ahead)
        self._worked = set[str]()
        self._room = asyncio.Semaphore(at_once)
        self._held_back = set[str]()
        self._look = SharedLook(LOOK_SECONDS, self._ready)
        self._next_turn = 0.0

    @asynccontextmanager
    async def place(self, run_id: str) -> AsyncGenerator[None]:
        """Take one of the places of those that work or have begun."""
        await self._places.acquire()
        try:
            yield
        finally:
            self._free_a_place(SETTLE_SECONDS if run_id in self._worked else 0.0)

    @asynccontextmanager
    async def room(self) -> AsyncGenerator[None]:
        """Take a slot for as long as the block is open."""
        async with self._room:
            yield

    @asynccontextmanager
    async def turn(self, run_id: str) -> AsyncGenerator[None]:
        """Let the run that is executed in this block work once it is ready and there is room.

        A run that has not been given its turn when the block is left is to rest.
        """
        await asyncio.to_thread(turns.hold_back, self._db, run_id, self._fleet)
        self._held_back.add(run_id)
        slot = _Slot(self._room)
        giving = asyncio.create_task(self._give(run_id, slot))
        try:
            yield
        finally:
            giving.cancel()
            self._held_back.discard(run_id)
            # A limit on the time of the fleet cancels what is awaited again and again.
            with CancelScope(shield=True):
                await asyncio.wait({giving})
                slot.leave()
                with suppress(AutopackError):  # it is forgotten within a minute
                    await asyncio.to_thread(turns.end_turn, self._db, run_id, self._fleet)

    async def _give(self, run_id: str, slot: _Slot) -> None:
        await self._look.until_found(run_id)
        await slot.enter()
        await self._keep_apart()
        if self._room.locked():
            self._begin_ahead()
        self._held_back.discard(run_id)
        self._worked.add(run_id)
        try:
            await asyncio.to_thread(turns.give_turn, self._db, run_id, self._fleet)
        except AutopackError as error:
            # Not renewed any more, it holds the run back no longer than that.
            seconds = turns.HELD_SECONDS
            get_run_logger().warning("run %s waits %d s more: %s", run_id, seconds, error)

    async def _keep_apart(self) -> None:
        """Wait until the last turn was given some time ago."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._next_turn)
        self._next_turn = at + APART_SECONDS * 2 / max(os.cpu_count() or 1, 2)
        await asyncio.sleep(at - now)

    def _begin_ahead(self) -> None:
        """Have runs begin beforehand, now that all slots are taken: the first come first."""
        ahead, self._ahead = self._ahead, 0
        for _ in range(ahead):
            self._free_a_place(SETTLE_SECONDS)

    def _free_a_place(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._places.release)

    async def _ready(self, run_ids: Sequence[str]) -> list[str]:
        with suppress(DatabaseRefused):  # the next look may tell
            return await asyncio.to_thread(turns.ready_among, self._db, run_ids)
        return []

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator[None]:
        """Hold back those that wait for their turn for as long as the block is open."""
        keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            if self._held_back:
                with suppress(AutopackError):
                    held = list(self._held_back)
                    await asyncio.to_thread(turns.keep_back, self._db, held, self._fleet)


class _Slot:
    """A slot that is taken once, and left once."""

    def __init__(self, room: asyncio.Semaphore) -> None:
        self._room = room
        self._is_taken = False

    async def enter(self) -> None:
        await self._room.acquire()
        self._is_taken = True

    def leave(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self._room.release()
