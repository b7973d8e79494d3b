"""Keeping the keys that this process holds from other programs of the same user."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_SET_DUMPABLE = 4


def hide_memory() -> None:
    """Have no other process but root's read this one's memory and environment (Linux).

    Builds and checks run as the same user, and would find every key in ``/proc``. Debuggers and
    core dumps of this process are what it costs. Programs that it starts are as they were.
    """
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)
