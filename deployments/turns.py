"""Some commands of a home start at a time: each loads Prefect, and their server is one process.

A command draws a ticket, a file that it holds locked, and goes when few enough older tickets are
held. So the order is that of drawing, and what crashes on the way gives its place up with its lock.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from autopack import home_server
from autopack.files import safe_files

try:
    import fcntl
except ImportError:  # Windows: each command has a server of its own there
    fcntl = None

MOST_AT_ONCE = min(max(os.cpu_count() or 1, 2) + 1, 5)
_LOOK_SECONDS = 0.3
_SAY_SECONDS = 1.0


class Turn:
    """The ticket of one command; `give_up` it when the command has started."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        self._giving_up = threading.Lock()

    @property
    def name(self) -> str:
        """Where it stands in the order of all."""
        return self._path.name

    def give_up(self) -> None:
        """Let the next one go; nothing happens the second time."""
        with self._giving_up:
            if self._descriptor >= 0:
                with suppress(OSError):
                    self._path.unlink()
                os.close(self._descriptor)
                self._descriptor = -1


@contextmanager
def turn(
    home: Path, say: Callable[[str], None], *, at_once: int = MOST_AT_ONCE
) -> Generator[Callable[[], None]]:
    """Wait until it is this command's turn to start; yields what lets the next one go.

    It is let go at the end of the block at the latest.
    """
    if fcntl is None:
        yield lambda: None
        return
    mine = _draw(home)
    try:
        _wait(mine, home, say, at_once)
        yield mine.give_up
    finally:
        mine.give_up()


def _wait(mine: Turn, home: Path, say: Callable[[str], None], at_once: int) -> None:
    said, since = False, time.monotonic()
    while (before := _held_before(mine, home)) >= at_once:
        if not said and time.monotonic() - since >= _SAY_SECONDS:
            say(f"waiting for {before} other commands of this home, {at_once} start at a time")
            said = True
        time.sleep(_LOOK_SECONDS)


def _folder(home: Path) -> Path:
    return safe_files.make_folder(home_server.folder(home) / "turns", below=home)


def _draw(home: Path) -> Turn:
    path = _folder(home) / f"{time.time_ns():020d}-{os.getpid()}"
    descriptor = safe_files.open_append(path)
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return Turn(path, descriptor)


def _held_before(mine: Turn, home: Path) -> int:
    """Return how many older tickets are held; those that nobody holds are removed."""
    held = 0
    for path in sorted(_folder(home).iterdir()):
        if path.name >= mine.name:
            break
        held += _is_held(path)
    return held


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:  # given up meanwhile
        return False
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        with suppress(OSError):
            path.unlink()
        return False
    finally:
        os.close(descriptor)
