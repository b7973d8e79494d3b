"""Caps on tokens, money and time, as a tree: campaign > run > phase > attempt.

Everything a build may spend is reserved at every level before it starts, and settled from the
ledger when it has ended. What computes is here; ``autopack.ledger.budget.budget_tree`` reads and
writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from autopack.model.cap_period import Period
from autopack.model.errors import BadInput


class Scope(StrEnum):
    """Whose cap it is."""

    CAMPAIGN = "campaign"
    RUN = "run"
    PHASE = "phase"


class Resource(StrEnum):
    """What is capped."""

    TOKENS = "tokens"
    COST = "cost"
    MINUTES = "minutes"


_MOST = 10**15
"""What no cap reaches: a 64-bit column holds it, and a float every whole number below it."""

_LEAST = Decimal("1e-9")
"""What every cap reaches: less would be stored as nothing."""


def check_cap(cap: float | Decimal, field: str) -> None:
    """Raise BadInput naming ``field`` unless ``cap`` is a number that can limit anything."""
    if not (Decimal(str(cap)).is_finite() and _LEAST <= Decimal(str(cap)) < _MOST):
        name = field.replace("_", " ")
        raise BadInput(
            f"invalid {name}: {cap}",
            field=field,
            hint=f"use a number from {_LEAST:f} up to {_MOST - 1:,}",
        )


UNITS = {Resource.TOKENS: "tokens", Resource.COST: "US dollars", Resource.MINUTES: "minutes"}


@dataclass(frozen=True)
class Limits:
    """The caps of one level; None means that this level sets none. Time in minutes."""

    tokens: int | None = None
    cost: Decimal | None = None
    minutes: float | None = None


@dataclass(frozen=True)
class Amounts:
    """Tokens, US dollars (of the calls whose price is known) and minutes.

    ``unpriced`` counts calls without a price, ``lost`` those that did not tell all they used:
    what is here is then less than what was spent. ``calls`` counts those that are in it.
    """

    tokens: int = 0
    cost: Decimal = Decimal(0)
    minutes: float = 0.0
    unpriced: int = 0
    lost: int = 0
    calls: int = 0

    @property
    def told(self) -> int | None:
        """The tokens, as far as they are known; None when nothing is."""
        return None if self.lost and not self.calls else self.tokens

    @property
    def whole_cost(self) -> Decimal | None:
        """The money; None while a part of it is unknown."""
        return None if self.unpriced or self.lost else self.cost


NOTHING = Amounts()


@dataclass(frozen=True)
class Level:
    """A campaign, a run or a phase. ``reserved`` is set aside for builds under way.

    With a ``period``, what was ``spent`` is that of this day or month alone, and the caps begin
    anew ``again_at``. ``accepts_unpriced``: a person has agreed that a cap on money counts only
    calls whose price is known.
    """

    scope: Scope
    name: str
    limits: Limits
    spent: Amounts = NOTHING
    reserved: Amounts = NOTHING
    accepts_unpriced: bool = False
    period: Period | None = None
    again_at: datetime | None = None


NO_PRICE = "no known price"
"""What a question says whose answer is whether unpriced calls are accepted."""


@dataclass(frozen=True)
class Exhausted:
    """The cap that stops the next build."""

    scope: Scope
    name: str
    resource: Resource
    limit: str
    spent: str
    unpriced: int = 0
    again_at: datetime | None = None

    def __str__(self) -> str:
        if self.unpriced:
            return (
                f"{self.scope} {self.name}: the cap of {self.limit} US dollars cannot hold, for"
                f" {self.unpriced} calls have {NO_PRICE}; {self.spent} are spent on the others"
            )
        unit = UNITS[self.resource]
        told = f"{self.scope} {self.name}: {self.spent} of {self.limit} {unit} are used up"
        if self.again_at is None:
            return told
        return f"{told}; it may spend again at {self.again_at:%Y-%m-%dT%H:%M:%SZ}"


def first_exhausted(levels: Iterable[Level]) -> Exhausted | None:
    """Return the first cap that leaves no room for another build, outermost level first."""
    for level in levels:
        limits, spent = level.limits, level.spent
        full: tuple[Resource, str, str] | None = None
        unpriced = 0 if level.accepts_unpriced else spent.unpriced
        if limits.tokens is not None and spent.tokens >= limits.tokens:
            full = Resource.TOKENS, f"{limits.tokens:,}", f"{spent.tokens:,}"
        elif limits.cost is not None and spent.cost >= limits.cost:
            full = Resource.COST, f"{limits.cost}", f"{spent.cost}"
        elif limits.minutes is not None and spent.minutes >= limits.minutes:
            full = Resource.MINUTES, f"{limits.minutes:g}", f"{spent.minutes:.1f}"
        elif limits.cost is not None and unpriced:
            full = Resource.COST, f"{limits.cost}", f"{spent.cost}"
            return Exhausted(level.scope, level.name, *full, unpriced, level.again_at)
        if full is not None:
            return Exhausted(level.scope, level.name, *full, again_at=level.again_at)
    return None


@dataclass(frozen=True)
class Room:
    """What the tightest cap of each kind leaves; None where none is set, never below zero."""

    tokens: int | None
    cost: Decimal | None
    minutes: float | None

    @property
    def is_none(self) -> bool:
        """Whether others hold all that is left: a build has to wait for them."""
        return self.tokens == 0 or self.cost == 0 or self.minutes == 0


def room(levels: Sequence[Level]) -> Room:
    """Return what is neither spent nor reserved at any level."""
    tokens = [
        max(level.limits.tokens - level.spent.tokens - level.reserved.tokens, 0)
        for level in levels
        if level.limits.tokens is not None
    ]
    cost = [
        max(level.limits.cost - level.spent.cost - level.reserved.cost, Decimal(0))
        for level in levels
        if level.limits.cost is not None
    ]
    minutes = [
        max(level.limits.minutes - level.spent.minutes - level.reserved.minutes, 0.0)
        for level in levels
        if level.limits.minutes is not None
    ]
    return Room(min(tokens, default=None), min(cost, default=None), min(minutes, default=None))


@dataclass(frozen=True)
class Reservation:
    """What one build may spend before it asks for more; ``cost`` is None where none is capped.

    ``minutes`` are all that it has, or its share of those that it has to ask others for.
    """

    tokens: int
    cost: Decimal | None
    minutes: float


# A build that nothing is known of leaves the others of its campaign something to begin with.
_FIRST_SHARE = 4


def reservation(
    free: Room,
    *,
    minutes: float,
    history: Sequence[Amounts] = (),
    shared: bool,
    visible: bool,
    shared_minutes: bool = False,
) -> Reservation:
    """Return what to set aside for a build, out of what is ``free``.

    The most that earlier builds of the same builder and model spent (``history``), or without
    three of them all that is free, a quarter of it when the budget is ``shared`` with other runs.
    A builder whose spend is not ``visible`` while it works gets all of it in any case. Time can
    always be seen: of ``shared_minutes`` a build begins with a quarter of what is free, or a
    minute.
    """
    tokens, cost = free.tokens or 0, free.cost
    if visible and len(history) >= 3:
        tokens = min(tokens, max(max(one.tokens for one in history), 1))
        if cost is not None:
            cost = min(cost, max(one.cost for one in history) or cost)
    elif visible and shared:
        tokens = max(tokens // _FIRST_SHARE, 1)
        cost = None if cost is None else cost / _FIRST_SHARE
    if free.minutes is not None:
        share = max(free.minutes / _FIRST_SHARE, 1.0) if shared_minutes else free.minutes
        minutes = min(minutes, free.minutes, share)
    return Reservation(tokens, cost, minutes)


def reservation_of_call(free: Room, most: Amounts) -> Reservation | None:
    """Return what to set aside for one call, all of which must fit: it cannot be ended half way.

    ``most`` is what it uses at most. Of money all that is free where its price is not known. None
    when there is no room for it.
    """
    if free.is_none or (free.tokens is not None and most.tokens > free.tokens):
        return None
    cost = free.cost
    if cost is not None and not most.unpriced:
        if most.cost > cost:
            return None
        cost = most.cost
    minutes = most.minutes if free.minutes is None else min(most.minutes, free.minutes)
    return Reservation(most.tokens, cost, minutes)


def passed(held: Reservation, spent: Amounts) -> Resource | None:
    """Return which part of a reservation a build has used up; None while something is left
    of each.
    """
    if spent.tokens >= held.tokens:
        return Resource.TOKENS
    if held.cost is not None and spent.cost >= held.cost:
        return Resource.COST
    return None


def grown(held: Reservation, spent: Amounts, free: Room) -> Reservation | None:
    """Return a larger reservation for a build that used its own up; None when nothing more is free.

    ``free`` is what is left apart from this reservation; it grows by its own size at most.
    """
    tokens = held.tokens
    if spent.tokens >= held.tokens:
        tokens = held.tokens + min(max(held.tokens, 1), free.tokens or 0)
        if spent.tokens >= tokens:
            return None
    cost = held.cost
    if cost is not None and spent.cost >= cost:
        cost += min(max(cost, Decimal("0.01")), free.cost or Decimal(0))
        if spent.cost >= cost:
            return None
    return Reservation(tokens, cost, held.minutes)


def longer(held: Reservation, used: float, free: Room, most: float) -> Reservation | None:
    """More minutes for a build that has ``used`` its own up; None when no more are free.

    As in `grown`, they at most double; ``most`` is what the build may take in all.
    """
    more = min(held.minutes, held.minutes if free.minutes is None else free.minutes)
    minutes = min(held.minutes + more, most)
    return None if minutes <= used else Reservation(held.tokens, held.cost, minutes)
