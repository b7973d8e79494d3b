"""The home, and databases: open to nobody but their owner, whatever the umask.

What is made gets its permissions when it is made. What was there with wider ones is narrowed where
it is Autopack's own, else named in a warning: another user's, a folder that holds other things.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from functools import cache
from pathlib import Path

_log = logging.getLogger("autopack")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OF_A_HOME = frozenset({"autopack.db", "home-id", "runs", "repositories", "prefect", "stack"})
_BESIDE_A_DATABASE = ("-wal", "-shm", "-journal")
_DATABASE_HINT = "a database that several users share is one of PostgreSQL"


def have_home(home: Path) -> None:
    """Have the folder (0700), its parents included. Raises OSError."""
    if not home.is_dir():
        for folder in reversed(home.parents):
            if not folder.exists():
                # Who may write to a parent may put another folder in the place of the home.
                folder.mkdir(mode=0o755, exist_ok=True)
        home.mkdir(mode=0o700, exist_ok=True)
    if os.name == "posix":
        _narrow(home, hint="set AUTOPACK_HOME to a folder of your own")


def have_database(file: Path, *, make: bool = True) -> None:
    """Have a database file (0600), and narrow it with what SQLite keeps beside it.

    By its path and never by a descriptor: to close one would release SQLite's locks on the file.
    """
    if os.name != "posix":
        return
    if make:
        with contextlib.suppress(OSError):  # there already; else SQLite says what is wrong
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    for path in (file, *(file.with_name(file.name + end) for end in _BESIDE_A_DATABASE)):
        with contextlib.suppress(OSError):  # the last one to use a database removes what is beside
            _narrow(path, hint=_DATABASE_HINT)


def _narrow(path: Path, *, hint: str) -> None:
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    if not mode & _OTHERS:
        return
    if (why := _why_not_ours(path, found)) is None:
        with contextlib.suppress(OSError):
            path.chmod(mode & stat.S_IRWXU)
        if not path.stat().st_mode & _OTHERS:
            return
        why = "its file system keeps no permissions"
    _warn(path, mode, why, hint)


def _why_not_ours(path: Path, found: os.stat_result) -> str | None:
    """Return why the permissions of something are not Autopack's to change; None where they are."""
    if found.st_uid != os.geteuid():
        return "it belongs to another user"
    if not stat.S_ISDIR(found.st_mode):
        return None
    if found.st_mode & stat.S_ISVTX or path in (Path(path.anchor), Path.home()):
        return "it is not Autopack's alone"
    names = {entry.name for entry in path.iterdir()}
    return None if not names or names & _OF_A_HOME else "it holds other things"


@cache
def _warn(path: Path, mode: int, why: str, hint: str) -> None:
    _log.warning("%s is open to other users (%o) and %s: %s", path, mode, why, hint)
