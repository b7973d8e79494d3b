"""Files below Autopack's home: opened without following links, never waiting, of a bounded size.

An agent may put anything in the place of a file that Autopack is about to use: a link to a file
of the user's, a FIFO that nobody writes to, a folder. Whatever reads or writes below a home does
it by these functions. They open every folder on the way by its descriptor, so that no link is
followed anywhere in a path (`Settings` resolves the home once), and take regular files alone.

Read: what is no regular file is not there (`NotOurs`, a FileNotFoundError). Write: it is replaced.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from autopack.files.descriptors import (
    LIST,
    NEVER_WAIT,
    NOFOLLOW,
    PROC,
    NotOurs,
    listed,
    open_parent,
)
from autopack.files.removal import remove_entry

__all__ = [
    "MOST_BYTES",
    "NotOurs",
    "add_mode",
    "files_below",
    "is_file",
    "is_folder",
    "make_folder",
    "names",
    "open_append",
    "open_new",
    "open_read",
    "put",
    "read_bytes",
    "read_text",
    "remove",
    "rename",
    "replacing",
    "set_mode",
    "status",
    "write",
]

MOST_BYTES = 64 * 1024 * 1024
"""What is read whole at most."""

# Deeper folders are not listed.
_DEEPEST_LISTED = 100


def open_read(path: Path) -> BinaryIO:
    """Return a regular file, open for reading. Raises FileNotFoundError, NotOurs included."""
    with open_parent(path) as folder:
        return os.fdopen(_checked(_open(path, os.O_RDONLY, folder), path), "rb")


def read_bytes(path: Path, *, most: int = MOST_BYTES) -> bytes:
    """Return the whole of a file. Raises FileNotFoundError, and NotOurs for more than ``most``
    bytes.
    """
    with open_read(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise NotOurs(errno.EFBIG, f"longer than {most} bytes", str(path))
    return content


def read_text(path: Path, *, most: int = MOST_BYTES, errors: str = "replace") -> str:
    """Return the whole of a file as UTF-8. Raises like ``read_bytes``."""
    return read_bytes(path, most=most).decode("utf-8", errors)


def is_file(path: Path) -> bool:
    """Return whether a regular file is there."""
    return _is(path, stat.S_ISREG)


def is_folder(path: Path) -> bool:
    """Return whether a folder is there, and no link on the way to it."""
    return _is(path, stat.S_ISDIR)


def open_new(path: Path, *, read: bool = False) -> int:
    """Return a descriptor of a new file (0600), in the place of whatever was there."""
    how = (os.O_RDWR if read else os.O_WRONLY) | os.O_CREAT | os.O_EXCL
    with open_parent(path) as folder:
        while True:
            try:
                return _open(path, how, folder)
            except FileExistsError:
                remove_entry(path.name, folder, path)


def open_append(path: Path, *, read: bool = False) -> int:
    """Return a descriptor (0600) that adds to a file, which is made when it is not there.

    What is there and is no regular file, or has another name besides, is replaced: adding to it
    would change a file somewhere else.
    """
    how = (os.O_RDWR if read else os.O_WRONLY) | os.O_APPEND
    with open_parent(path) as folder:
        while True:
            try:
                return _checked(_open(path, how, folder), path, only=True)
            except NotOurs:
                _clear_the_way(path, folder)
            except FileNotFoundError:
                pass
            with contextlib.suppress(FileExistsError):
                return _open(path, how | os.O_CREAT | os.O_EXCL, folder)


def write(path: Path, content: bytes | str, *, durable: bool = False) -> None:
    """Have ``content`` in a file (0600), whole or not at all; ``durable`` waits for the disk."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    with replacing(path, durable=durable) as file:
        file.write(data)


def put(path: Path, content: bytes) -> None:
    """Have ``content`` in a file of a worktree, which keeps its permissions.

    A new file takes the place of the old, whose content another name may have, too.
    """
    mode = stat.S_IMODE(status(path).st_mode) if is_file(path) else 0o644
    write(path, content)
    set_mode(path, mode)


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Generator[BinaryIO]:
    """Yield a file that takes the place of ``path`` when the block ends, and is gone when
    it fails.
    """
    # Cut, for a name that just fits would have no room for what is added.
    part = path.with_name(f".{path.name[:50]}.{secrets.token_hex(6)}.part")
    try:
        with os.fdopen(open_new(part), "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        rename(part, path)
        if durable:
            _flush_names(path)
    except BaseException:
        remove(part)
        raise


def rename(path: Path, to: Path) -> None:
    """Give a file or folder another name; a link at either is not followed.

    What is at ``to`` is replaced. Raises FileNotFoundError.
    """
    with open_parent(path) as folder, open_parent(to) as other:
        if folder is None or other is None:
            path.replace(to)
            return
        try:
            os.replace(path.name, to.name, src_dir_fd=folder, dst_dir_fd=other)
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST):
                raise
            remove_entry(to.name, other, to)
            os.replace(path.name, to.name, src_dir_fd=folder, dst_dir_fd=other)


def make_folder(path: Path, *, below: Path) -> Path:
    """Have a folder (0700), its parents included; returns it.

    A link, or anything else that is no folder, goes away where it lies ``below`` that folder of
    Autopack's, and is NotOurs above.
    """
    below.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = below
    for part in path.relative_to(below).parts:
        made /= part
        with open_parent(made) as folder:
            _have_folder(made, folder)
    return path


def remove(path: Path) -> None:
    """Delete a file, a link, or a folder with all that is in it, read-only parts included.

    No error when there is nothing, or a link leads to it.
    """
    with contextlib.suppress(FileNotFoundError), open_parent(path) as folder:
        remove_entry(path.name, folder, path)


def remove_if_empty(path: Path) -> bool:
    """Delete a folder that holds nothing; return whether it is gone. No link is followed."""
    try:
        with open_parent(path) as folder:
            if folder is None:
                path.rmdir()
            else:
                os.rmdir(path.name, dir_fd=folder)
    except OSError:
        return False
    return True


def names(path: Path) -> list[str]:
    """Return what is in a folder, sorted; nothing when it is no folder, or a link leads to it."""
    return sorted(name for name, _ in _entries(path))


def files_below(path: Path) -> Iterator[Path]:
    """Yield every regular file below a folder; links are neither followed nor among them.

    What lies more than 100 folders deep is passed over: looking there would take for ever.
    """
    left = [path]
    while left:
        folder = left.pop()
        if len(folder.parts) - len(path.parts) > _DEEPEST_LISTED:
            continue
        found: list[tuple[str, int]] = []
        with contextlib.suppress(OSError):  # closed to us, or a path longer than the system takes
            found = _entries(folder)
        for name, mode in sorted(found):
            if stat.S_ISDIR(mode):
                left.append(folder / name)
            elif stat.S_ISREG(mode):
                yield folder / name


def status(path: Path) -> os.stat_result:
    """Return what is at a path, a link itself included. Raises FileNotFoundError."""
    with open_parent(path) as folder:
        return _status(path, folder)


def set_mode(path: Path, mode: int) -> None:
    """Give a file or folder its permissions. Raises FileNotFoundError, also for a link."""
    with open_parent(path) as folder:
        found = _status(path, folder)
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise NotOurs(errno.EINVAL, "neither file nor folder", str(path))
        if folder is None or not PROC.is_dir():
            path.chmod(mode)
            return
        # A file that may not be read can still be held, and changed by what holds it.
        held = os.open(path.name, os.O_PATH | NOFOLLOW, dir_fd=folder)
        try:
            if os.path.samestat(os.fstat(held), found):
                (PROC / str(held)).chmod(mode)
        finally:
            os.close(held)


def add_mode(path: Path, bits: int) -> int:
    """Add permissions to a file or folder; returns those it had. Raises like ``set_mode``."""
    before = stat.S_IMODE(status(path).st_mode)
    set_mode(path, before | bits)
    return before


def _flush_names(path: Path) -> None:
    """Have it on disk that ``path`` has its name."""
    with contextlib.suppress(OSError), open_parent(path) as folder:  # some file systems refuse it
        if folder is not None:
            opened = os.open(".", LIST, dir_fd=folder)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)


def _open(path: Path, how: int, folder: int | None) -> int:
    flags = how | NOFOLLOW | NEVER_WAIT
    try:
        if folder is None:
            if path.is_symlink():
                raise NotOurs(errno.ELOOP, "a link", str(path))
            return os.open(path, flags, 0o600)
        return os.open(path.name, flags, 0o600, dir_fd=folder)
    except OSError as error:
        # A link; a FIFO that nobody reads; a folder; a device or a socket.
        odd = (errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENODEV, errno.EOPNOTSUPP)
        if error.errno in odd:
            raise NotOurs(error.errno, "no file of Autopack's", str(path)) from None
        raise


def _checked(descriptor: int, path: Path, *, only: bool = False) -> int:
    """``descriptor`` when it is of a regular file, and with ``only`` has no second name."""
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and not (only and found.st_nlink != 1):
        return descriptor
    os.close(descriptor)
    raise NotOurs(errno.EINVAL, "no file of Autopack's", str(path))


def _status(path: Path, folder: int | None) -> os.stat_result:
    if folder is None:
        return path.lstat()
    return os.stat(path.name, dir_fd=folder, follow_symlinks=False)


def _is(path: Path, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(status(path).st_mode)
    except OSError:
        return False


def _entries(path: Path) -> list[tuple[str, int]]:
    """Return the names in a folder, each with its mode; none when it is no folder."""
    try:
        with open_parent(path) as folder:
            if folder is None:
                return listed(path)
            opened = os.open(path.name, LIST, dir_fd=folder)
            try:
                return listed(opened)
            finally:
                os.close(opened)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return []
        raise


def _clear_the_way(path: Path, folder: int | None) -> None:
    """Remove what may not be added to; a file that another process put there meanwhile stays."""
    with contextlib.suppress(FileNotFoundError):
        found = _status(path, folder)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            remove_entry(path.name, folder, path)


def _have_folder(path: Path, folder: int | None) -> None:
    while True:
        try:
            if stat.S_ISDIR(_status(path, folder).st_mode):
                return
            remove_entry(path.name, folder, path)
        except FileNotFoundError:
            pass
        with contextlib.suppress(FileExistsError):
            if folder is None:
                path.mkdir(mode=0o700)
            else:
                os.mkdir(path.name, 0o700, dir_fd=folder)
