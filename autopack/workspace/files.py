"""Deleting and unlocking folders that an agent may have made read-only."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from autopack import safe_files


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
