"""Work that is not waited for longer than it may take, whatever time limits its parts have."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def within(seconds: float, work: Callable[[], Found]) -> Found:
    """Return what ``work`` returns, and raise what it raises; TimeoutError after so many seconds.

    Each byte of a header, and each answer of a resolver, has time limits of its own at best. The
    work itself is not ended: it is left to a thread that keeps no process alive.
    """
    found: list[Found] = []
    failed: list[Exception] = []

    def attempt() -> None:
        try:
            found.append(work())
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=attempt, name="autopack-deadline", daemon=True)
    thread.start()
    thread.join(max(0.0, seconds))
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError
    return found[0]
