"""What differs between two commits, as values."""

from __future__ import annotations

from dataclasses import dataclass

SYMLINK = "120000"
GITLINK = "160000"


@dataclass(frozen=True)
class Change:
    """One path that differs.

    ``status`` is A (added), M (modified), D (deleted) or T (type changed); ``mode`` is git's mode
    of the new side, of the old side for a deletion; ``oid`` the new object's id.
    """

    path: str
    status: str
    mode: str
    oid: str = ""


def parse_raw_diff(text: str) -> tuple[Change, ...]:
    """Return the changes in the output of ``git diff-tree -r -z --raw --no-renames``."""
    fields = text.split("\0")
    changes: list[Change] = []
    for head, path in zip(fields[::2], fields[1::2], strict=False):
        old_mode, new_mode, _old, oid, status = head.removeprefix(":").split(" ")
        mode = old_mode if status == "D" else new_mode
        changes.append(Change(path, status[0], mode, oid))
    return tuple(changes)
