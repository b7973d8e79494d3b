"""Who may read what Autopack keeps, and running its commands as a user without any rights."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ORDINARY = "nobody"
"""A user that every system has; PostgreSQL wants one with a name."""

NOT_AUTOPACKS = (
    "demo/*",
    "runs/*/work/*/*",
    "runs/*/environment/*",
    "repositories/*.git/*",
    "prefect/storage/*",
)
"""What projects, git and Prefect write, by the user's umask, inside a folder that is closed."""


def open_to_others(home: Path) -> dict[str, str]:
    """The home and all below it that another user could read or change, with the permissions."""
    found: dict[str, str] = {}
    for path in (home, *sorted(home.rglob("*"))):
        mode = path.lstat().st_mode
        name = path.relative_to(home)
        special = stat.S_ISLNK(mode) or stat.S_ISSOCK(mode)
        if stat.S_IMODE(mode) & 0o077 and not special and not _is_theirs(name):
            found[str(name)] = f"{stat.S_IMODE(mode):o}"
    return found


def _is_theirs(name: Path) -> bool:
    return any(one.match(place) for one in (name, *name.parents) for place in NOT_AUTOPACKS)


def ordinary_user(*needed: Path) -> list[str]:
    """The words before a command that run it as an ordinary user.

    Where Python or this project are in a folder that is root's alone, the command sees another
    folder there, with nothing else in it. Skips the test where the system lets nobody do this.
    """
    if os.geteuid() != 0:
        return []
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _script(*needed), "sh"]
    tried = subprocess.run([*words, sys.executable, "-c", ""], capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip(f"nothing was proved about an ordinary user: {tried.stderr.strip()}")
    return words


def _script(*needed: Path) -> str:
    # A folder in the place of a closed one; what is needed of it is there again.
    hidden: dict[Path, list[Path]] = {}
    for path in {ROOT, Path(sys.prefix), Path(sys.base_prefix).resolve(), *needed}:
        way = [one for one in reversed(path.parents) if not one.stat().st_mode & stat.S_IXOTH]
        if way:
            hidden.setdefault(way[0], []).append(path)
    lines = ["umask 022"]
    for closed, paths in hidden.items():
        kept = shlex.quote(tempfile.gettempdir()) + "/.kept"
        lines.append(f"mkdir -p {kept}; mount -t tmpfs tmpfs {kept}")
        for number, path in enumerate(paths):
            lines.append(
                f"mkdir {kept}/{number}; mount --bind {shlex.quote(str(path))} {kept}/{number}"
            )
        lines.append(f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(closed))}")
        for number, path in enumerate(paths):
            place = shlex.quote(str(path))
            lines.append(f"mkdir -p {place}; mount --bind {kept}/{number} {place}")
    dropped = f"setpriv --reuid {ORDINARY} --regid 65534 --clear-groups --no-new-privs"
    return "\n".join([*lines, f'umask 000\nexec {dropped} -- "$@"'])
