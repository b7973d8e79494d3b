"""Notes that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
from functools import cache
from pathlib import Path
from typing import Any


def write_whole(path: Path, text: str) -> None:
    """Have the file at ``path`` hold ``text``; on disk when this returns.

    Whoever dies meanwhile, the process or the machine, leaves the old file or the new one. Links
    in the place of the file are replaced, not followed.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        # Exclusively, so that a link which somebody put there is not followed either.
        with open(part, "x", encoding="utf-8", opener=_privately) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    flush_entries(path.parent)


def flush_entries(folder: Path) -> None:
    """Have the names in ``folder`` on disk: what was made, renamed or removed in it."""
    if os.name != "posix":
        return  # folders cannot be opened there
    with contextlib.suppress(OSError):  # some network file systems refuse it
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def flush_files(folder: Path) -> None:
    """Have everything that was written to the file system of ``folder`` on disk.

    One call for a whole tree that others wrote: a note may then say that it is finished.
    """
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        syncfs = _syncfs()
        if syncfs is None or syncfs(descriptor) != 0:
            os.sync()
    finally:
        os.close(descriptor)


@cache
def _syncfs() -> Any:
    """The call of Linux that flushes one file system; None where there is none."""
    with contextlib.suppress(OSError, AttributeError):
        return ctypes.CDLL(None).syncfs
    return None


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
