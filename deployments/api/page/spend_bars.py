"""Spend as bars beside figures: how long each is, against the largest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from autopack.ledger.consolidated import UsageRow


@dataclass(frozen=True)
class Bar:
    """One row: its tokens, its money (None where a price is unknown), its share of the largest."""

    key: str
    tokens: int
    cost: Decimal | None
    calls: int
    share: float


@dataclass(frozen=True)
class Bars:
    """The rows as they are listed; ``hidden`` are more."""

    rows: tuple[Bar, ...]
    hidden: int


MOST = 30


def bars(rows: Sequence[UsageRow], *, largest_first: bool = False) -> Bars:
    """Return the rows with their shares, at most thirty of them."""
    if largest_first:
        rows = sorted(rows, key=lambda row: row.total, reverse=True)
    largest = max((row.total for row in rows), default=0) or 1
    shown = rows[:MOST]
    return Bars(
        tuple(
            Bar(row.key, row.total, row.cost, row.events, round(100 * row.total / largest, 2))
            for row in shown
        ),
        len(rows) - len(shown),
    )
