"""The intention of a run as agents are told it: goal, success criteria and non-goals, bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_BYTES = 2_048
BUILDER_BYTES = 1_536
DOCTOR_BYTES = 1_024

GOAL_SHARE = 0.5
CRITERIA_SHARE = 0.6
"""What a part may take of the room that is left while later parts still need some."""


@dataclass(frozen=True)
class Intention:
    """The text for a prompt, and how many criteria and non-goals found no room in it."""

    text: str
    omitted: int = 0
    source: str = "plan"


def intention(
    goal: str,
    success_criteria: Sequence[str] = (),
    non_goals: Sequence[str] = (),
    *,
    limit: int = MOST_BYTES,
) -> Intention:
    """Return the intention in at most ``limit`` bytes of UTF-8.

    The goal goes first and is cut before it takes more than half from the others; entries are
    kept whole, in order, and the text says how many are missing.
    """
    lists = bool(success_criteria or non_goals)
    text = _clipped(f"Goal: {' '.join(goal.split())}", int(limit * GOAL_SHARE) if lists else limit)
    left = limit - _size(text)
    share = CRITERIA_SHARE if non_goals else 1.0
    criteria, omitted_criteria = _section("Success criteria:", success_criteria, int(left * share))
    left -= _size(criteria)
    avoided, omitted_non_goals = _section("Not part of it:", non_goals, left)
    return Intention(text + criteria + avoided, omitted_criteria + omitted_non_goals)


def for_builder(
    goal: str, success_criteria: Sequence[str] = (), non_goals: Sequence[str] = ()
) -> str | None:
    """Return what a builder is told of the intention besides the goal, which it is always told.

    Goal, success criteria and non-goals share one bound. None when there is nothing to add.
    """
    told = intention(goal, success_criteria, non_goals, limit=BUILDER_BYTES)
    return told.text.partition("\n")[2] or None


def _section(title: str, entries: Sequence[str], room: int) -> tuple[str, int]:
    """Return the section with as many entries as fit into ``room`` bytes, and how many do not."""
    lines = [f"\n- {' '.join(entry.split())}" for entry in entries]
    for kept in range(len(lines), 0, -1):
        rest = len(lines) - kept
        text = f"\n{title}" + "".join(lines[:kept]) + (f"\n- and {rest} more" if rest else "")
        if _size(text) <= room:
            return text, rest
    return "", len(lines)


def _clipped(text: str, room: int) -> str:
    """``text`` in at most ``room`` bytes, cut between characters and marked when it was cut."""
    if _size(text) <= room:
        return text
    return text.encode("utf-8")[: max(room - _size("…"), 0)].decode("utf-8", "ignore") + "…"


def _size(text: str) -> int:
    return len(text.encode("utf-8"))
