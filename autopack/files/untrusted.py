"""Reading, deleting and unlocking what an agent may have made: no link is followed."""

from __future__ import annotations

import contextlib
import filecmp
import os
import stat
from pathlib import Path

from autopack.files import safe_files


def remove_tree(path: Path) -> None:
    """Delete a file, a link or a folder with everything in it, read-only parts included.

    Nothing is deleted where a link leads on the way there.
    """
    safe_files.remove(path.absolute())


def make_writable(root: Path) -> None:
    """Let the owner list and change every folder below ``root``; links are not followed."""
    _allow(root)
    for parent, folders, _ in os.walk(root):
        for folder in folders:
            _allow(Path(parent, folder))


def _allow(folder: Path) -> None:
    if folder.is_symlink():
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        # A folder of another user stays as it is; what then needs it says so itself.
        with contextlib.suppress(PermissionError):
            folder.chmod(mode | stat.S_IRWXU)


def read_small(file: Path, most: int) -> bytes | None:
    """Return what a regular file holds, at most ``most`` bytes; None for everything else.

    No link is followed at its end, and nothing is waited for.
    """
    try:
        opened = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(opened, "rb") as stream:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            return None
        return stream.read(most)


def same_content(one: Path, other: Path) -> bool:
    """Return whether both are regular files with the same bytes."""
    try:
        first, second = one.lstat(), other.lstat()
        if not (stat.S_ISREG(first.st_mode) and stat.S_ISREG(second.st_mode)):
            return False
        return first.st_size == second.st_size and filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False
