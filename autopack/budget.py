"""Caps on tokens, money and time, checked before anything is spent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Limits:
    """The caps of one level; None means that this level sets none. Time in minutes."""

    tokens: int | None = None
    cost: Decimal | None = None
    minutes: float | None = None


@dataclass(frozen=True)
class Spent:
    """What one level has used. ``cost`` is None when the price of any call is unknown."""

    tokens: int = 0
    cost: Decimal | None = Decimal(0)
    minutes: float = 0.0


@dataclass(frozen=True)
class Level:
    """A run or a phase in the tree of budgets."""

    name: str
    limits: Limits
    spent: Spent


@dataclass(frozen=True)
class Exhausted:
    """The cap that stops the next build."""

    level: str
    resource: str
    limit: str
    spent: str

    def __str__(self) -> str:
        return f"{self.level}: {self.spent} of {self.limit} {self.resource} are used up"


def first_exhausted(levels: Iterable[Level]) -> Exhausted | None:
    """The first cap that leaves no room for another build, outermost level first."""
    for level in levels:
        limits, spent = level.limits, level.spent
        if limits.tokens is not None and spent.tokens >= limits.tokens:
            return Exhausted(level.name, "tokens", f"{limits.tokens:,}", f"{spent.tokens:,}")
        if limits.cost is not None and spent.cost is not None and spent.cost >= limits.cost:
            return Exhausted(level.name, "US dollars", f"{limits.cost}", f"{spent.cost}")
        if limits.minutes is not None and spent.minutes >= limits.minutes:
            return Exhausted(level.name, "minutes", f"{limits.minutes:g}", f"{spent.minutes:.1f}")
    return None
