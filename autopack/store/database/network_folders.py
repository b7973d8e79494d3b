"""Telling that a database file lies on a network file system, where SQLite's locks may not hold."""

from __future__ import annotations

import logging
import re
from functools import cache
from pathlib import Path

_log = logging.getLogger("autopack")
_NETWORK = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "davfs", "fuse.ceph", "fuse.glusterfs",
        "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4",
        "orangefs", "prl_fs", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs",
    }
)  # fmt: skip
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")


@cache
def warn_of(file: Path) -> None:
    """Warn, once for a file, when it lies on a network file system."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return  # only Linux tells
    kind = network_file_system(file.absolute(), mounts)
    if kind is not None:
        _log.warning(
            "the database %s is on a network file system (%s), where SQLite may lose what it "
            "wrote and two machines may hold one run: set DATABASE_URL to a file on a local disk, "
            "or to a PostgreSQL database",
            file,
            kind,
        )


def network_file_system(file: Path, mounts: str) -> str | None:
    """Return the type of the file system that ``file`` is on by ``mounts`` (mountinfo of Linux),
    where that is one of other machines; None for a local one."""
    there: dict[Path, str] = {}
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        if separator:
            there[Path(_plain(before.split(" ")[4]))] = after.split(" ")[0]  # the last one counts
    found = next((there[folder] for folder in file.parents if folder in there), None)
    return found if found in _NETWORK else None


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)
