"""What tools leave in a folder that is never part of a change, whatever .gitignore forgot."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from functools import cache

from autopack.toolchains.toolchain_registry import is_named, toolchains

# Committing one of these would put a tool's cache into the user's branch and fail the phase's
# scope; cleaning one away between attempts would break the run's installed environment.
_OF_ANYTHING = (".aider*", ".DS_Store", "Thumbs.db")


@cache
def patterns() -> tuple[str, ...]:
    """Return what the tools of all toolchains leave, as patterns of a .gitignore."""
    left = (p for one in toolchains() for p in (*one.regenerated, *one.generated))
    return (*dict.fromkeys(left), *_OF_ANYTHING)


@cache
def folder_patterns() -> tuple[str, ...]:
    """Return those that name folders, without the slash."""
    return tuple(pattern[:-1] for pattern in patterns() if pattern.endswith("/"))


@cache
def _files() -> tuple[str, ...]:
    return tuple(pattern for pattern in patterns() if not pattern.endswith("/"))


@cache
def _caches() -> tuple[str, ...]:
    made_anew = (p.rstrip("/") for one in toolchains() for p in one.regenerated)
    return (*made_anew, ".DS_Store", "Thumbs.db")


_SPECIAL = re.compile(r"[\\*?\[\]!# ]")


def excludes(tracked: Iterable[str], installed: Iterable[str] = ()) -> str:
    """Return an exclude file with all patterns that spares folders in which ``tracked`` has files.

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
        for pattern in _files():
            if fnmatch.fnmatchcase(name, pattern):
                spared[f"{head}/{pattern}" if head else pattern] = None
    for path in installed:
        spared.pop(byproduct_folder(path) or "", None)
    lines = [*patterns()]
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
        if is_named(part, folder_patterns()):
            return "/".join(parts[: depth + 1])
    return None


def is_cache(path: str) -> bool:
    """Return whether ``path`` is, or lies in, a cache that every run of a tool leaves behind."""
    return any(is_named(part, _caches()) for part in path.split("/"))


def _literal(path: str) -> str:
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", path)
