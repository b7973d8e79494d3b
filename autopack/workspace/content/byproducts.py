"""What tools leave in a folder that is never part of a change, whatever .gitignore forgot."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

# Committing one of these would put a tool's cache into the user's branch and fail the phase's
# scope; cleaning one away between attempts would break the run's installed environment.
PATTERNS = (
    "__pycache__/",
    "*.py[cod]",
    "*.egg-info/",
    ".pytest_cache/",
    ".mypy_cache/",
    ".ruff_cache/",
    ".hypothesis/",
    ".tox/",
    ".nox/",
    ".venv/",
    ".coverage",
    "node_modules/",
    ".gradle/",
    ".aider*",
    ".DS_Store",
    "Thumbs.db",
)

_FOLDERS = tuple(pattern[:-1] for pattern in PATTERNS if pattern.endswith("/"))
_FILES = tuple(pattern for pattern in PATTERNS if not pattern.endswith("/"))
_CACHES = (
    "__pycache__", "*.py[cod]", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis",
    ".coverage", ".DS_Store", "Thumbs.db",
)  # fmt: skip
_SPECIAL = re.compile(r"[\\*?\[\]!# ]")


def excludes(tracked: Iterable[str], installed: Iterable[str] = ()) -> str:
    """Return an exclude file with PATTERNS that spares folders in which ``tracked`` has files.

    A fixture in a tracked ``test/fixtures/node_modules`` is a file of the project like any other.
    ``installed`` are paths that setup made: their folders stay excluded, tracked or not.
    """
    spared: dict[str, None] = {}
    for path in tracked:
        folder = byproduct_folder(path)
        if folder is not None:
            spared[folder] = None
            continue
        head, _, name = path.rpartition("/")
        for pattern in _FILES:
            if fnmatch.fnmatchcase(name, pattern):
                spared[f"{head}/{pattern}" if head else pattern] = None
    for path in installed:
        spared.pop(byproduct_folder(path) or "", None)
    lines = [*PATTERNS]
    for place in spared:
        if byproduct_folder(f"{place}/x") is None:
            head, _, pattern = place.rpartition("/")
            lines.append(f"!/{_literal(head)}/{pattern}" if head else f"!/{pattern}")
        elif "\n" not in place:
            lines += [f"!/{_literal(place)}/", f"!/{_literal(place)}/**"]
    return "\n".join(lines) + "\n"


def byproduct_folder(path: str) -> str | None:
    """Return the topmost folder of ``path`` that a pattern names, None when there is none."""
    parts = path.split("/")
    for depth, part in enumerate(parts[:-1]):
        if any(fnmatch.fnmatchcase(part, pattern) for pattern in _FOLDERS):
            return "/".join(parts[: depth + 1])
    return None


def is_cache(path: str) -> bool:
    """Whether ``path`` is, or lies in, a cache that every run of a tool leaves behind."""
    return any(
        fnmatch.fnmatchcase(part, pattern) for part in path.split("/") for pattern in _CACHES
    )


def _literal(path: str) -> str:
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", path)
