"""Servers of a test process, ended when that is gone: at its end, by a signal, or killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

# In a session of its own, so that Ctrl-C does not reach it. Its input ends with the test process.
_WATCH = """
import os, sys
if not sys.stdin.read():
    try:
        os.kill(int(sys.argv[1]), int(sys.argv[2]))
    except ProcessLookupError:
        pass
"""


@contextmanager
def ended_with_us(pid: int, signal_number: int) -> Generator[None]:
    """Send a process the signal as soon as this one is gone, if it leaves the block unfinished."""
    watcher = subprocess.Popen(
        [sys.executable, "-ISB", "-c", _WATCH, str(pid), str(int(signal_number))],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        watcher.communicate(b"ended")
