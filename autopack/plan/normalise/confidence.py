"""How sure the normaliser is that its plan says what the text meant."""

from __future__ import annotations

from collections.abc import Sequence

from autopack.plan.normalise.steps import Work
from autopack.plan.normalise.words import is_concrete

WEIGHTS = {"deliverables": 0.35, "scope": 0.2, "validation": 0.25, "structure": 0.2}
"""What each part counts; they add up to 1."""


def confidence_parts(
    works: Sequence[Work],
    *,
    scope: Sequence[str],
    doubts: int,
    validation: float,
) -> dict[str, float]:
    """Each part from 0 to 1.

    ``deliverables``: the share of pieces of work that are told from any other by a word of their
    own. ``scope``: all when files are named, less for each doubtful one, half when none is named,
    which leaves the whole repository open. ``validation``: 1 for commands that the text names,
    else the toolchain's confidence. ``structure``: all for lists, less for prose.
    """
    concrete = sum(is_concrete(work.text) for work in works)
    listed = sum(work.is_item for work in works)
    named = 1.0 if scope else 0.5
    return {
        "deliverables": round(concrete / len(works), 3),
        "scope": round(max(named - 0.2 * doubts, 0.0), 3),
        "validation": round(validation, 3),
        "structure": round(0.6 + 0.4 * listed / len(works), 3),
    }


def confidence(parts: dict[str, float]) -> float:
    """The weighted sum of the parts, from 0 to 1; nothing concrete to do caps it at one half."""
    total = sum(WEIGHTS[name] * value for name, value in parts.items())
    return round(min(total, 0.5) if parts["deliverables"] == 0 else total, 2)
