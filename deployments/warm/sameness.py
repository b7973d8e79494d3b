"""What the system lets a process do, and whether another one may act for it (Linux).

A process that acts for another must not be able to do more, nor less: it is confined as that one
is, in the same namespaces and control groups, under the same limits.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_STATUS = (
    *("Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp", "Seccomp_filters"),
    *("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "Cpus_allowed", "Mems_allowed"),
)
_FILES = ("cgroup", "limits", "attr/current", "oom_score_adj", "loginuid", "personality")
_SCHEDULING = {"nice": 16, "rt_priority": 37, "policy": 38}
"""Places in /proc/PID/stat behind the program's name."""


def facts_of(pid: int) -> dict[str, Any]:
    """Return what a process is and may do. Raises OSError when that cannot be told.

    The caller holds a descriptor of the process, by which the number stays its own.
    """
    there = Path("/proc", str(pid))
    lines = (line.partition(":") for line in (there / "status").read_text().splitlines())
    facts: dict[str, Any] = {name: v.strip() for name, _, v in lines if name in _STATUS}
    for name in sorted(os.listdir(there / "ns")):  # noqa: PTH208 - their names alone
        facts[f"namespace {name}"] = os.readlink(there / "ns" / name)  # noqa: PTH115 - no path
    root = (there / "root").stat()
    facts["root"] = (root.st_dev, root.st_ino)
    behind = (there / "stat").read_text().rpartition(")")[2].split()
    facts |= {name: behind[place] for name, place in _SCHEDULING.items()}
    for name in _FILES:
        facts[name] = None
        with suppress(FileNotFoundError):  # not every system has each
            facts[name] = _text(there / name)
    return facts


def first_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """Return what tells two processes apart, None when one may act for the other."""
    for name in (*one, *other):
        if name not in one or name not in other or one[name] != other[name]:
            return name
    return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError as error:
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise
        return None  # of a module of security that is not loaded
