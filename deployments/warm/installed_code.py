"""What differs once the installed code does: processes that have loaded it go by that."""

from __future__ import annotations

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - loaded by what must start at once
_PACKAGES = ("autopack", "blocks", "tasks", "flows", "deployments")


def code_stamp() -> tuple[int, ...]:
    """Return when the code was last written, how many files it has, and when packages were last
    installed or removed.
    """
    newest = files = 0
    for package in _PACKAGES:
        found, written = _newest(f"{ROOT}/{package}")
        files, newest = files + found, max(newest, written)
    return (newest, files, *map(_written, sys.path))


def _newest(folder: str) -> tuple[int, int]:
    files = newest = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    more, written = (0, 0) if entry.name == "__pycache__" else _newest(entry.path)
                elif entry.name.endswith(".py"):
                    more, written = 1, entry.stat().st_mtime_ns
                else:
                    continue
                files, newest = files + more, max(newest, written)
    except OSError:  # another version is being installed
        return 0, 0
    return files, newest


def _written(folder: str) -> int:
    """Return when a folder of packages was last changed; 0 for one that runs change."""
    try:
        return os.stat(folder).st_mtime_ns if folder.endswith("-packages") else 0  # noqa: PTH116
    except OSError:
        return 0
