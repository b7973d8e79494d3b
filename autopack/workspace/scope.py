"""Whether a change stays within a phase's scope, and what it failed to deliver."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from autopack.model.path_patterns import as_meant, matches
from autopack.workspace.changes import GITLINK, SYMLINK, Change


@dataclass(frozen=True)
class Violation:
    """A path that may not be changed, or not like this, and why."""

    path: str
    reason: str


def check_scope(
    changes: Iterable[Change],
    scope_paths: Sequence[str],
    read_only: Sequence[str],
    *,
    read_link: Callable[[str], str],
    there: Collection[str] = (),
) -> list[Violation]:
    """Return every violation in ``changes``, at most one a path, in the order of the changes.

    ``scope_paths`` and ``read_only`` are patterns as ``matches`` reads them; no ``scope_paths``
    means the whole tree. ``read_link`` gives the target of a symbolic link by its path. What a
    pattern names letter for letter of ``there``, the paths at the run's base, it means alone.
    """
    scope_paths, read_only = as_meant(scope_paths, there), as_meant(read_only, there)
    violations: list[Violation] = []
    for change in changes:
        reason = _violation(change, scope_paths, read_only, read_link)
        if reason is not None:
            violations.append(Violation(change.path, reason))
    return violations


def missing_deliverables(
    paths_in_commit: Collection[str], deliverables: Iterable[str], *, there: Collection[str] = ()
) -> list[str]:
    """Return the deliverables (files, folders, globs) that no path of the commit satisfies.

    What was ``there`` before and is named letter for letter is meant alone.
    """
    return [
        wanted
        for wanted in as_meant(deliverables, there)
        if not any(matches(path, wanted) for path in paths_in_commit)
    ]


def _violation(
    change: Change,
    scope_paths: Sequence[str],
    read_only: Sequence[str],
    read_link: Callable[[str], str],
) -> str | None:
    path = change.path
    # Some file systems fold case: .GIT would be the repository there.
    if any(part.lower() == ".git" for part in path.split("/")):
        return "is inside a .git folder"
    if scope_paths and not any(matches(path, pattern) for pattern in scope_paths):
        return f"is outside the scope ({', '.join(scope_paths)})"
    for pattern in read_only:
        if matches(path, pattern):
            return f"is read-only ({pattern})"
    if change.status == "D":
        return None
    if change.mode == GITLINK and change.status in {"A", "T"}:
        return "is a repository of its own: its files cannot be part of this one"
    if change.mode == SYMLINK and _leaves_the_tree(path, read_link(path)):
        return "is a symbolic link that leads out of the repository"
    return None


def _leaves_the_tree(path: str, target: str) -> bool:
    if not target or target.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", target):
        return True
    parts = [part for part in target.split("/") if part not in {"", "."}]
    climbs = next((at for at, part in enumerate(parts) if part != ".."), len(parts))
    # ".." after a name may climb from wherever that name leads, which need not be where it says.
    return climbs > path.count("/") or ".." in parts[climbs:]
