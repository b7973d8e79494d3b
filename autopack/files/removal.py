"""Removing what an agent may have made: no link is followed, nothing is too deep or shut."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from pathlib import Path

from autopack.files.descriptors import LIST

# A tree deeper than this is taken apart from its top, for descriptors are few.
_DEEPEST = 64


def remove_entry(name: str, folder: int | None, path: Path) -> None:
    """Delete ``name`` in the folder of that descriptor; ``path`` where the system knows none."""
    if folder is None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        return
    top = folder
    waiting = [name]
    while waiting:
        _remove_in(top, waiting.pop(), 0, top, waiting)


def _remove_in(folder: int, name: str, depth: int, top: int, waiting: list[str]) -> None:
    """Delete an entry; a folder deep below is moved to the ``top`` and left ``waiting``."""
    try:
        os.unlink(name, dir_fd=folder)
        return
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM, errno.EACCES):
            raise
    if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        _make_writable(folder)
        os.unlink(name, dir_fd=folder)
        return
    inner = _open_folder(name, folder)
    try:
        _make_writable(inner)
        if depth == _DEEPEST:
            for entry in os.listdir(inner):  # noqa: PTH208 - by descriptor
                waiting.append(_move_up(entry, inner, top))
        else:
            for entry in os.listdir(inner):  # noqa: PTH208
                _remove_in(inner, entry, depth + 1, top, waiting)
    finally:
        os.close(inner)
    try:
        os.rmdir(name, dir_fd=folder)
    except PermissionError:
        _make_writable(folder)
        os.rmdir(name, dir_fd=folder)


def _move_up(name: str, folder: int, top: int) -> str:
    moved = f".removed-{secrets.token_hex(8)}"
    try:
        os.rename(name, moved, src_dir_fd=folder, dst_dir_fd=top)
    except PermissionError:
        # A folder that is moved must itself be writable.
        inner = _open_folder(name, folder)
        _make_writable(inner)
        os.close(inner)
        os.rename(name, moved, src_dir_fd=folder, dst_dir_fd=top)
    return moved


def _open_folder(name: str, folder: int) -> int:
    try:
        return os.open(name, LIST, dir_fd=folder)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=folder)  # a folder, as was seen; one of our own in any case
        return os.open(name, LIST, dir_fd=folder)


def _make_writable(folder: int) -> None:
    # A folder of another user stays as it is; what then needs it says so itself.
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(os.fstat(folder).st_mode)
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            os.chmod(".", mode | stat.S_IRWXU, dir_fd=folder)
