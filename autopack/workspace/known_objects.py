"""What git has told of commits and trees, which never change: asked once, and kept.

Only of full object ids: what a ref leads to may be another commit the next time.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from autopack.workspace.changes import Change

T = TypeVar("T")

_FULL_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# A listing of a large repository takes some 20 MB.
_MOST_LISTINGS = 4
_MOST_CHANGES = 32
_MOST_COMMITS = 1_000


@dataclass(frozen=True)
class Listing:
    """Every path of a tree with git's mode of it, and every folder but its root."""

    modes: Mapping[str, str]
    folders: tuple[str, ...]

    @classmethod
    def read(cls, printed: str) -> Listing:
        """Read what `git ls-tree -r -t -z` printed."""
        modes: dict[str, str] = {}
        folders: list[str] = []
        for entry in printed.split("\0")[:-1]:
            facts, _, path = entry.partition("\t")
            mode, kind, _ = facts.split(" ")
            if kind == "tree":
                folders.append(path)
            else:
                modes[path] = mode
        return cls(modes, tuple(folders))


class KnownObjects:
    """The memory of one process about one repository; safe to use from any thread."""

    def __init__(self) -> None:
        self._trees: _Recent[str, str] = _Recent(_MOST_COMMITS)
        self._listings: _Recent[str, Listing] = _Recent(_MOST_LISTINGS)
        self._changes: _Recent[tuple[str, str], tuple[Change, ...]] = _Recent(_MOST_CHANGES)

    def note_commit(self, commit: str, tree: str) -> None:
        """Note that the repository has ``commit``, and which tree it is of."""
        self._trees.keep(commit, tree)

    def has_commit(self, commit: str) -> bool:
        """Return whether the repository is known to have ``commit``; False says nothing."""
        return self._trees.find(commit) is not None

    def tree_of(self, commit: str, ask: Callable[[], str]) -> str:
        """Return the tree of a commit."""
        return self._trees.get(commit, ask)

    def listing(self, name: str, ask: Callable[[], str]) -> Listing:
        """Return what a commit or tree holds; ``ask`` prints it as `Listing.read` takes it."""
        # What was listed before its tree was known is under its own name.
        known = self._listings.find(name)
        return known or self._listings.get(self._tree(name), lambda: Listing.read(ask()))

    def changes(
        self, base: str, name: str, ask: Callable[[], tuple[Change, ...]]
    ) -> tuple[Change, ...]:
        """Return what differs between two commits or trees."""
        one, other = self._tree(base), self._tree(name)
        return () if one == other else self._changes.get((one, other), ask)

    def _tree(self, name: str) -> str:
        return self._trees.find(name) or name


K = TypeVar("K", bound="str | tuple[str, str]")


class _Recent(Generic[K, T]):
    """The values that were asked for last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._values: OrderedDict[K, T] = OrderedDict()

    def find(self, key: K) -> T | None:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def get(self, key: K, ask: Callable[[], T]) -> T:
        known = self.find(key)
        if known is None:
            known = ask()
            self.keep(key, known)
        return known

    def keep(self, key: K, value: T) -> None:
        parts = (key,) if isinstance(key, str) else key
        if not all(_FULL_ID.fullmatch(part) for part in parts):
            return
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)
