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
import shutil
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 64 * 1024 * 1024
"""What is read whole at most."""

_BY_DESCRIPTOR = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_CLOSED = getattr(os, "O_CLOEXEC", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | _CLOSED
_NEVER_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_LIST = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _NOFOLLOW
# Where the system has it, a folder on the way need not be readable.
_PASS = getattr(os, "O_PATH", 0) | getattr(os, "O_DIRECTORY", 0) | _NOFOLLOW
_PROC = Path("/proc/self/fd")
# A tree deeper than this is taken apart from its top, for descriptors are few.
_DEEPEST = 64
_DEEPEST_LISTED = 100


class NotOurs(FileNotFoundError):
    """There is a link, a FIFO or something else that Autopack did not put there."""


def open_read(path: Path) -> BinaryIO:
    """A regular file, open for reading. Raises FileNotFoundError, NotOurs included."""
    with _parent(path) as folder:
        return os.fdopen(_checked(_open(path, os.O_RDONLY, folder), path), "rb")


def read_bytes(path: Path, *, most: int = MOST_BYTES) -> bytes:
    """The whole of a file. Raises FileNotFoundError, and NotOurs for more than ``most`` bytes."""
    with open_read(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise NotOurs(errno.EFBIG, f"longer than {most} bytes", str(path))
    return content


def read_text(path: Path, *, most: int = MOST_BYTES, errors: str = "replace") -> str:
    """The whole of a file as UTF-8. Raises like ``read_bytes``."""
    return read_bytes(path, most=most).decode("utf-8", errors)


def is_file(path: Path) -> bool:
    """Whether a regular file is there."""
    return _is(path, stat.S_ISREG)


def is_folder(path: Path) -> bool:
    """Whether a folder is there, and no link on the way to it."""
    return _is(path, stat.S_ISDIR)


def open_new(path: Path, *, read: bool = False) -> int:
    """A descriptor of a new file (0600), in the place of whatever was there."""
    how = (os.O_RDWR if read else os.O_WRONLY) | os.O_CREAT | os.O_EXCL
    with _parent(path) as folder:
        while True:
            try:
                return _open(path, how, folder)
            except FileExistsError:
                _remove(path.name, folder, path)


def open_append(path: Path, *, read: bool = False) -> int:
    """A descriptor (0600) that adds to a file, which is made when it is not there.

    What is there and is no regular file, or has another name besides, is replaced: adding to it
    would change a file somewhere else.
    """
    how = (os.O_RDWR if read else os.O_WRONLY) | os.O_APPEND
    with _parent(path) as folder:
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
    """A file that takes the place of ``path`` when the block ends, and is gone when it fails."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
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
    with _parent(path) as folder, _parent(to) as other:
        if folder is None or other is None:
            path.replace(to)
            return
        try:
            os.replace(path.name, to.name, src_dir_fd=folder, dst_dir_fd=other)
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST):
                raise
            _remove(to.name, other, to)
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
        with _parent(made) as folder:
            _have_folder(made, folder)
    return path


def remove(path: Path) -> None:
    """Delete a file, a link, or a folder with all that is in it, read-only parts included.

    No error when there is nothing, or a link leads to it.
    """
    with contextlib.suppress(FileNotFoundError), _parent(path) as folder:
        _remove(path.name, folder, path)


def names(path: Path) -> list[str]:
    """What is in a folder, sorted; nothing when it is no folder, or a link leads to it."""
    return sorted(name for name, _ in _entries(path))


def files_below(path: Path) -> Iterator[Path]:
    """Every regular file below a folder; links are neither followed nor among them.

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
    """What is at a path, a link itself included. Raises FileNotFoundError."""
    with _parent(path) as folder:
        return _status(path, folder)


def set_mode(path: Path, mode: int) -> None:
    """Give a file or folder its permissions. Raises FileNotFoundError, also for a link."""
    with _parent(path) as folder:
        found = _status(path, folder)
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise NotOurs(errno.EINVAL, "neither file nor folder", str(path))
        if folder is None or not _PROC.is_dir():
            path.chmod(mode)
            return
        # A file that may not be read can still be held, and changed by what holds it.
        held = os.open(path.name, os.O_PATH | _NOFOLLOW, dir_fd=folder)
        try:
            if os.path.samestat(os.fstat(held), found):
                (_PROC / str(held)).chmod(mode)
        finally:
            os.close(held)


def add_mode(path: Path, bits: int) -> int:
    """Add permissions to a file or folder; returns those it had. Raises like ``set_mode``."""
    before = stat.S_IMODE(status(path).st_mode)
    set_mode(path, before | bits)
    return before


@contextmanager
def _parent(path: Path) -> Generator[int | None]:
    """A descriptor of the folder that ``path`` is in; None where the system knows no such use."""
    path = path.absolute()
    if not _BY_DESCRIPTOR:
        for folder in path.parents:
            if folder.is_symlink():
                raise NotOurs(errno.ELOOP, "a link is on the way", str(folder))
        yield None
        return
    opened = os.open(path.anchor, _PASS)
    try:
        for number, part in enumerate(path.parts[1:-1], start=2):
            try:
                inner = os.open(part, _PASS, dir_fd=opened)
            except OSError as error:
                if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
                on_the_way = Path(*path.parts[:number])
                raise NotOurs(errno.ELOOP, "no folder of Autopack's", str(on_the_way)) from None
            os.close(opened)
            opened = inner
        yield opened
    finally:
        os.close(opened)


def _flush_names(path: Path) -> None:
    """Have it on disk that ``path`` has its name."""
    with contextlib.suppress(OSError), _parent(path) as folder:  # some file systems refuse it
        if folder is not None:
            opened = os.open(".", _LIST, dir_fd=folder)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)


def _open(path: Path, how: int, folder: int | None) -> int:
    flags = how | _NOFOLLOW | _NEVER_WAIT
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
    """The names in a folder, each with its mode; none when it is no folder."""
    try:
        with _parent(path) as folder:
            if folder is None:
                return _listed(path)
            opened = os.open(path.name, _LIST, dir_fd=folder)
            try:
                return _listed(opened)
            finally:
                os.close(opened)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return []
        raise


def _listed(folder: int | Path) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            is_file = entry.is_file(follow_symlinks=False)
            mode = stat.S_IFDIR if is_folder else stat.S_IFREG if is_file else 0
            found.append((entry.name, mode))
    return found


def _clear_the_way(path: Path, folder: int | None) -> None:
    """Remove what may not be added to; a file that another process put there meanwhile stays."""
    with contextlib.suppress(FileNotFoundError):
        found = _status(path, folder)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            _remove(path.name, folder, path)


def _have_folder(path: Path, folder: int | None) -> None:
    while True:
        try:
            if stat.S_ISDIR(_status(path, folder).st_mode):
                return
            _remove(path.name, folder, path)
        except FileNotFoundError:
            pass
        with contextlib.suppress(FileExistsError):
            if folder is None:
                path.mkdir(mode=0o700)
            else:
                os.mkdir(path.name, 0o700, dir_fd=folder)


def _remove(name: str, folder: int | None, path: Path) -> None:
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
        return os.open(name, _LIST, dir_fd=folder)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=folder)  # a folder, as was seen; one of our own in any case
        return os.open(name, _LIST, dir_fd=folder)


def _make_writable(folder: int) -> None:
    # A folder of another user stays as it is; what then needs it says so itself.
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(os.fstat(folder).st_mode)
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            os.chmod(".", mode | stat.S_IRWXU, dir_fd=folder)
