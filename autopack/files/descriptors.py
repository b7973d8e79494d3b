"""Ways that no link leads astray: folders opened one by one, by their descriptors."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_BY_DESCRIPTOR = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
CLOSED = getattr(os, "O_CLOEXEC", 0)
NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | CLOSED
NEVER_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
LIST = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | NOFOLLOW
# Where the system has it, a folder on the way need not be readable.
_PASS = getattr(os, "O_PATH", 0) | getattr(os, "O_DIRECTORY", 0) | NOFOLLOW
PROC = Path("/proc/self/fd")


class NotOurs(FileNotFoundError):
    """There is a link, a FIFO or something else that Autopack did not put there."""


@contextmanager
def open_parent(path: Path) -> Generator[int | None]:
    """Yield a descriptor of the folder that ``path`` is in; None where the system knows no such
    use.
    """
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
                on_the_way = str(Path(*path.parts[:number]))
                if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    error.filename = on_the_way
                    raise
                raise NotOurs(errno.ELOOP, "no folder of Autopack's", on_the_way) from None
            os.close(opened)
            opened = inner
        yield opened
    finally:
        os.close(opened)


def listed(folder: int | Path) -> list[tuple[str, int]]:
    """Return the names in a folder, each with the kind of its mode."""
    found: list[tuple[str, int]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            is_file = entry.is_file(follow_symlinks=False)
            mode = stat.S_IFDIR if is_folder else stat.S_IFREG if is_file else 0
            found.append((entry.name, mode))
    return found
