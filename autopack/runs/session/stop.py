"""Stopping a run in the middle: who asked for it, and ending the step that is under way."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Any, TypeVar

from autopack.model.errors import AutopackError

T = TypeVar("T")


class StopReason(StrEnum):
    """Why a run stops before its end."""

    CANCELLED = "cancelled"
    """Somebody asked for it; the run ends DONE_CANCELLED."""
    INTERRUPTED = "interrupted"
    """A signal to this process; the run can be resumed."""
    LEASE_LOST = "lease_lost"
    """Another process took the run over."""


class RunStopped(AutopackError):
    """The run was stopped while a step was under way."""

    kind = "stopped"
    exit_code = 1

    def __init__(self, reason: StopReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class StopSwitch:
    """Set once, from any thread or signal handler; ends the guarded steps within the event loop.

    The first reason wins.
    """

    def __init__(self) -> None:
        # Reentrant, for a signal handler may interrupt the thread that has it.
        self._lock = threading.RLock()
        self._stopped: RunStopped | None = None
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    @property
    def stopped(self) -> RunStopped | None:
        """What stopped the run, or None while it goes on."""
        return self._stopped

    def stop(self, reason: StopReason, message: str) -> None:
        """Ask the run to stop; later calls change nothing."""
        with self._lock:
            if self._stopped is not None:
                return
            self._stopped = RunStopped(reason, message)
            waiting = list(self._waiting)
        for loop, event in waiting:
            # The loop may have closed since: then no step is left to end.
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def check(self) -> None:
        """Raise RunStopped when the run has been stopped."""
        if self._stopped is not None:
            raise self._stopped

    async def guard(self, step: Coroutine[Any, Any, T]) -> T:
        """Await ``step``; when the switch is thrown, cancel it, wait for its end, raise.

        A step is not begun when the switch was thrown before.
        """
        event = asyncio.Event()
        waiting = asyncio.get_running_loop(), event
        with self._lock:
            if self._stopped is not None:
                step.close()
                raise self._stopped
            self._waiting.append(waiting)
        work = asyncio.ensure_future(step)
        thrown = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({work, thrown}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await _end(work)
                self.check()
            return await work
        except asyncio.CancelledError:
            await _end(work)
            raise
        finally:
            thrown.cancel()
            with self._lock:
                self._waiting.remove(waiting)


async def in_thread(step: Callable[[threading.Event], T]) -> T:
    """Run a step in a thread; when cancelled, ask it to end and wait until it has.

    A thread cannot be cancelled: one that nobody waits for would work on without its lease.
    """
    ending = threading.Event()
    work = asyncio.ensure_future(asyncio.to_thread(step, ending))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        ending.set()
        await _to_its_end(work)
        raise


async def _to_its_end(work: asyncio.Future[Any]) -> None:
    while not work.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({work})
    if not work.cancelled():
        work.exception()  # seen: what counts is that it was cancelled


async def _end(work: asyncio.Future[Any]) -> None:
    """Cancel a step and wait until it has cleaned up behind itself."""
    work.cancel()
    await asyncio.wait({work})
