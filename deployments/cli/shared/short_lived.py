"""Commands that only look something up: quick to load what they need, and quick to end."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

_ALLOCATIONS = 500_000
"""How many objects come to be before garbage is looked for: more than most commands load."""


def put_off_garbage() -> None:
    """Look for garbage once what a command needs is loaded: there is none before."""
    usual = gc.get_threshold()

    def as_usual(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and as_usual in gc.callbacks:
            gc.callbacks.remove(as_usual)
            gc.set_threshold(*usual)

    gc.callbacks.append(as_usual)
    gc.set_threshold(_ALLOCATIONS, *usual[1:])


def leave(code: int) -> NoReturn:
    """End the process. Python would free first, one by one, all that a command has loaded, which
    takes a fifth of the time of one that only looks something up.
    """
    if "prefect" in sys.modules or threading.active_count() > 1:
        sys.exit(code)
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
    with suppress(OSError, ValueError):  # the reader of a pipe went away
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
