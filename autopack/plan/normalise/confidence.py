"""How sure the normaliser is that its plan says what the text meant."""

from __future__ import annotations

from collections.abc import Sequence

from autopack.plan.normalise.steps import Work
from autopack.plan.normalise.words import (
    asks_for_work,
    is_concrete,
    is_specific,
    starts_with_verb,
)

WEIGHTS = {"deliverables": 0.35, "scope": 0.2, "validation": 0.25, "structure": 0.2}
"""What each part counts; they add up to 1."""

_NOT_ENOUGH = 0.6
"""The most that a plan is trusted of whose parts one is too weak for the others to make up."""


def confidence_parts(
    works: Sequence[Work],
    *,
    scope: Sequence[str],
    doubts: int,
    validation: float,
    dangers: int,
) -> dict[str, float]:
    """Return each part from 0 to 1.

    ``deliverables``: the share of pieces of work that are told from any other by a word of their
    own; one that is no order and names no file, code or number counts half. ``scope``: all when
    files are named, less for each doubtful one, half when none is named, which leaves the whole
    repository open. ``validation``: 1 for commands that the text names, else the toolchain's
    confidence. ``structure``: all for lists, less for orders in prose, least for statements.
    ``safety``: 1, and 0 when something destructive is asked for.
    """
    named = 1.0 if scope else 0.5
    return {
        "deliverables": round(sum(map(_definite, works)) / len(works), 3),
        "scope": round(max(named - 0.2 * doubts, 0.0), 3),
        "validation": round(validation, 3),
        "structure": round(sum(map(_shape, works)) / len(works), 3),
        "safety": 0.0 if dangers else 1.0,
    }


def _definite(work: Work) -> float:
    if not is_concrete(work.text):
        return 0.0
    return 1.0 if asks_for_work(work.text) or is_specific(work.text) else 0.5


def _shape(work: Work) -> float:
    if work.is_item:
        return 1.0
    return 0.6 if starts_with_verb(work.text) else 0.3


def confidence(parts: dict[str, float]) -> float:
    """Return the weighted sum of the parts, from 0 to 1.

    Capped where one part alone makes the plan unfit to run unseen: something destructive, hardly
    anything definite, every named file in doubt, or nothing but statements.
    """
    total = sum(WEIGHTS[name] * parts[name] for name in WEIGHTS)
    if parts["deliverables"] == 0 or parts["safety"] < 1:
        return round(min(total, 0.5), 2)
    weak = (
        parts["deliverables"] < 0.6 or parts["scope"] < 0.3
        or (parts["structure"] <= 0.3 and parts["scope"] <= 0.5)
    )  # fmt: skip
    return round(min(total, _NOT_ENOUGH) if weak else total, 2)
