"""A bounded look at the files of a worktree, for patterns that need to know what is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

SKIPPED = frozenset(
    {"node_modules", "__pycache__", "venv", "env", "site-packages", "dist", "build", "target"}
)
"""Folders that hold other people's code or output; hidden folders are skipped as well."""

DEEPEST = 4
MOST_FOLDERS = 2_000


def folders(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each folder as (posix path, subfolder names, file names), shallow ones first."""
    level = ["."]
    seen = 0
    for _ in range(DEEPEST + 1):
        below: list[str] = []
        for path in level:
            seen += 1
            if seen > MOST_FOLDERS:
                return
            names, files = _list(root / path)
            yield path, names, files
            below += [str(PurePosixPath(path, name)) for name in names]
        level = below


def holding(root: Path, name: str) -> list[str]:
    """The folders that directly hold a file called ``name``, shallow ones first."""
    return [path for path, _, files in folders(root) if name in files]


def relative_to_root(root: Path, reported: str) -> str | None:
    """The posix path below ``root`` that a tool's message means, or None when it is elsewhere."""
    path = Path(reported)
    absolute = Path(os.path.normpath(path if path.is_absolute() else root / path))
    for base in (root, root.resolve()):
        if absolute.is_relative_to(base):
            return absolute.relative_to(base).as_posix()
    return None


def _list(folder: Path) -> tuple[list[str], list[str]]:
    names: list[str] = []
    files: list[str] = []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return names, files  # gone or unreadable: there is nothing to see in it
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith(".") and entry.name not in SKIPPED:
                names.append(entry.name)
        elif entry.is_file():
            files.append(entry.name)
    return names, files
