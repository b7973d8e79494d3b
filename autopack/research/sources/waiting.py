"""Finishing asynchronous work from code that waits, whether or not a loop runs around it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def finish(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Return what ``work`` returns, which is done in a thread and a loop of its own."""
    ended: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            ended.append(asyncio.run(work()))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="autopack-source", daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return ended[0]
