"""What lies in a folder, by path, and whether it is still what it was."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from autopack.files.untrusted import make_writable


class Stamp(NamedTuple):
    """What tells that a file was replaced or written to. Times are in nanoseconds."""

    mode: int
    inode: int
    size: int
    modified: int
    changed: int
    links: int

    @property
    def permissions(self) -> int:
        return stat.S_IMODE(self.mode)

    def same(self, other: Stamp) -> bool:
        """Return whether nothing was written in between.

        The time of change cannot be set back, but moves with every hard link that comes or goes.
        """
        if not self.alike(other):
            return False
        return self.changed == other.changed or self.links != other.links or self.links > 1

    def alike(self, other: Stamp) -> bool:
        """Return whether mode, inode, size and time of writing are the same."""
        return self[:4] == other[:4]


Stamps = Mapping[str, Stamp]
"""By path below a folder, ``/`` between names; an empty folder has a ``/`` at its end."""


def stamps(
    root: Path, *, leaving_out: Collection[str] = (), closed: Collection[str] = ()
) -> dict[str, Stamp]:
    """Return everything below ``root`` but folders that hold something; no link is followed.

    ``leaving_out`` are paths that are passed over, ``closed`` folders that are not looked into.
    OSError when a folder cannot be read even after its owner was allowed to.
    """
    if not root.is_dir():
        return {}
    return dict(_below(os.fspath(root), "", frozenset(leaving_out), frozenset(closed)))


def _below(
    root: str, prefix: str, leaving_out: frozenset[str], closed: frozenset[str]
) -> Iterator[tuple[str, Stamp]]:
    left = [prefix]
    while left:
        prefix = left.pop()
        empty = True
        for entry in _entries(Path(root, prefix)):
            path = prefix + entry.name
            empty = False
            if path in leaving_out:
                continue
            if entry.is_dir(follow_symlinks=False):
                if path in closed:
                    yield path, _stamp(entry.stat(follow_symlinks=False))
                else:
                    left.append(f"{path}/")
            else:
                yield path, _stamp(entry.stat(follow_symlinks=False))
        if empty and prefix:
            yield prefix, _stamp(os.lstat(Path(root, prefix)))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except PermissionError:
        make_writable(folder)
        with os.scandir(folder) as entries:
            return list(entries)


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(
        status.st_mode,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_nlink,
    )


def altered(recorded: Stamps, now: Stamps) -> list[str]:
    """Return what was recorded and has been changed or removed since."""
    return [
        path
        for path, stamp in recorded.items()
        if (at := now.get(path)) is None or not stamp.same(at)
    ]


def stamped_anew(recorded: Stamps, now: Stamps) -> dict[str, Stamp]:
    """Return ``recorded`` after hard links to it came or went; what was written to stays as is."""
    return {
        path: at if (at := now.get(path)) is not None and stamp.alike(at) else stamp
        for path, stamp in recorded.items()
    }
