"""Notes that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import contextlib
import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any

from autopack.files import safe_files


def write_whole(path: Path, text: str) -> None:
    """Have the file at ``path`` hold ``text``; on disk when this returns.

    A process or a machine that crashes meanwhile leaves the old file or the new one. Links
    in the place of the file are replaced, not followed.
    """
    safe_files.write(path, text, durable=True)


def flush_files(folder: Path) -> None:
    """Have everything that was written to the file system of ``folder`` on disk.

    One call for a whole tree that others wrote: a note may then say that it is finished. Where they
    left no folder that can be opened, it is the file system of what is above it.
    """
    if os.name != "posix":
        return
    descriptor = _opened(folder.absolute())
    try:
        syncfs = _syncfs()
        if syncfs is None or syncfs(descriptor) != 0:
            os.sync()
    finally:
        os.close(descriptor)


def _opened(folder: Path) -> int:
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        if folder == folder.parent:
            raise
        return _opened(folder.parent)


@cache
def _syncfs() -> Any:
    """Return the call of Linux that flushes one file system; None where there is none."""
    with contextlib.suppress(OSError, AttributeError):
        return ctypes.CDLL(None).syncfs
    return None
