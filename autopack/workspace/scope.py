"""Whether a change stays within a phase's scope, and what it failed to deliver."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

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
) -> list[Violation]:
    """Every violation in ``changes``, at most one a path, in the order of the changes.

    ``scope_paths`` and ``read_only`` are patterns as ``matches`` reads them; no ``scope_paths``
    means the whole tree. ``read_link`` gives the target of a symbolic link by its path.
    """
    violations: list[Violation] = []
    for change in changes:
        reason = _violation(change, scope_paths, read_only, read_link)
        if reason is not None:
            violations.append(Violation(change.path, reason))
    return violations


def missing_deliverables(
    paths_in_commit: Collection[str], deliverables: Iterable[str]
) -> list[str]:
    """The deliverables (files, folders, globs) that no path of the commit satisfies."""
    return [
        wanted
        for wanted in deliverables
        if not any(matches(path, wanted) for path in paths_in_commit)
    ]


def matches(path: str, pattern: str) -> bool:
    """Whether ``pattern`` covers ``path``; both are relative to the root, with ``/``.

    A file's or folder's name covers itself and all below it, ``folder/`` likewise. In a glob
    ``*`` and ``?`` stay within a path component, ``**`` crosses them, and a match of a folder
    covers all below it. ``.`` is the whole tree.
    """
    return _pattern(pattern).match(path) is not None


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> re.Pattern[str]:
    cleaned = posixpath.normpath(pattern)
    if cleaned == ".":
        return re.compile("")
    return re.compile(_translate(cleaned) + r"(?:/|\Z)", re.DOTALL)


_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_MEANING = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _translate(glob: str) -> str:
    parts: list[str] = []
    for token in _TOKEN.findall(glob):
        if len(token) > 2 and token[0] == "[" and token[-1] == "]":
            inside = token[1:-1].replace("\\", r"\\").replace("[", r"\[")
            negated = inside.startswith("!")
            # A class never matches a separator, as in every shell.
            parts.append(f"(?!/)[{'^' if negated else ''}{_escaped(inside.removeprefix('!'))}]")
        else:
            parts.append(_MEANING.get(token) or re.escape(token))
    return "".join(parts)


def _escaped(members: str) -> str:
    return ("\\" if members.startswith(("^", "]")) else "") + members


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
