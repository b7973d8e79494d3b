"""Executing flows in a process that ends in order: `python -m flows.process RUN_ID [DATABASE]`.

A first signal to end stops the runs of the process, which leaves them to be resumed; a second one
ends the process itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from autopack.runs.session.session import stop_all
from autopack.runs.session.stop import StopReason

INTERRUPTED = 130
Result = TypeVar("Result")


def run_in_order(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run a coroutine to its end. The main thread is left to the signals: Prefect replaces their
    handlers only there.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="flow") as pool:
        return pool.submit(lambda: asyncio.run(work())).result()


@contextmanager
def orderly_signals() -> Generator[None]:
    """Let a first signal to end stop the runs of this process, and a second one itself."""
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            # The lease is left behind: its holder is gone, and so the run can be taken over.
            os._exit(INTERRUPTED)
        asked = True
        stop_all(StopReason.INTERRUPTED, "interrupted")

    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP"):
        numbers.append(signal.SIGHUP)
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _main(run_id: str, database: str | None = None) -> None:
    with orderly_signals():
        from flows.run import execute_run

        run_in_order(lambda: execute_run(run_id=run_id, database=database))


if __name__ == "__main__":
    _main(*sys.argv[1:])
