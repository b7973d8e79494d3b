"""What only shows something is sent beside the run, in its order, and all of it before the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from prefect import get_run_logger

from tasks.away import show

FLUSH_SECONDS = 30.0
"""How long a run that has ended waits until what it has to show is sent."""


class Outbox:
    """Sends one thing after another: two writes at once make a server on SQLite refuse one."""

    def __init__(self) -> None:
        self._waiting: dict[str, Callable[[], Awaitable[None]]] = {}
        self._sending: asyncio.Task[None] | None = None

    def send(self, what: str, step: Callable[[], Awaitable[None]]) -> None:
        """Have ``step`` awaited soon; in place of one of that name that still waits.

        ``what`` says what goes wrong when the server is away: then it is not sent.
        """
        self._waiting[what] = step
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())

    async def pause(self, seconds: float = 1.0) -> None:
        """Let what is being sent arrive first, for so long at most; the rest waits."""
        if self._sending is not None:
            await asyncio.wait({self._sending}, timeout=seconds)

    async def flush(self) -> None:
        """Wait until all is sent, also when the run is cancelled meanwhile."""
        cancelled = False
        deadline = asyncio.get_running_loop().time() + FLUSH_SECONDS
        while self._sending is not None and not self._sending.done():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                what = ", ".join(self._waiting) or "what was being sent"
                get_run_logger().warning("not sent within %.0f s: %s", FLUSH_SECONDS, what)
                self._sending.cancel()
                break
            try:
                await asyncio.wait({self._sending}, timeout=left)
            except asyncio.CancelledError:
                cancelled = True
        if self._sending is not None:
            with suppress(asyncio.CancelledError):
                await self._sending
        if cancelled:
            raise asyncio.CancelledError

    async def _send(self) -> None:
        while self._waiting:
            what = next(iter(self._waiting))
            try:
                await show(what, self._waiting.pop(what)())
            except Exception as error:
                # Of no consequence to the run, which may well go on.
                get_run_logger().warning("%s: %s", what, error)
