"""Waiting for what has to be looked for: one look at a time, however many wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class SharedLook(Generic[Key]):
    """Tells those who wait in one event loop.

    ``look`` is given all that is waited for, every so many ``seconds``, and returns what is found
    of it; it raises nothing.
    """

    def __init__(
        self, seconds: float, look: Callable[[Sequence[Key]], Awaitable[Iterable[Key]]]
    ) -> None:
        self._seconds = seconds
        self._look = look
        self._waiting: list[tuple[Key, asyncio.Event]] = []
        self._looking: asyncio.Task[None] | None = None

    async def until_found(self, key: Key, within: float | None = None) -> None:
        """Return when ``key`` is found, or after so many seconds; without them, not before."""
        waiter = (key, asyncio.Event())
        self._waiting.append(waiter)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._keep_looking())
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(waiter[1].wait(), within)
        finally:
            self._waiting.remove(waiter)

    async def _keep_looking(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._seconds)
            found = set(await self._look(list({key for key, _ in self._waiting})))
            for key, told in self._waiting:
                if key in found:
                    told.set()
