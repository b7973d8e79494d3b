"""What is paused, as JSON and in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autopack.store.pauses import Pause
from autopack.views.json_values import timestamp


def pause_view(one: Pause) -> dict[str, Any]:
    """Return what keeps builds from starting, since when and by whose order."""
    return {
        "kind": one.latch.kind,
        "name": one.latch.name or None,
        "now": one.now,
        "since": timestamp(one.since),
        "by": one.by,
        "note": one.note,
    }


def pause_lines(pauses: Iterable[dict[str, Any]]) -> list[str]:
    """Return a line for each pause that `pause_view` returned."""
    lines: list[str] = []
    for one in pauses:
        what = "everything" if one["kind"] == "all" else f"{one['kind']} {one['name']}"
        why = f": {one['note']}" if one["note"] else ""
        lines.append(f"{what}, by {one['by']} since {one['since'][:19]}{why}")
    return lines
