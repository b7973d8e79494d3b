"""Caps leave room for another build, or name what is used up."""

from dataclasses import replace
from decimal import Decimal

import pytest

from autopack.model.budget import (
    NO_PRICE,
    Amounts,
    Level,
    Limits,
    Reservation,
    Resource,
    Room,
    Scope,
    check_cap,
    first_exhausted,
    longer,
    reservation,
)
from autopack.model.errors import BadInput


def level(limits: Limits, spent: Amounts, scope: Scope = Scope.RUN) -> Level:
    return Level(scope, "r", limits, spent)


# limits, spent, what is used up (None: there is room)
CAPS = [
    # nothing is limited
    (Limits(), Amounts(10**12, Decimal(10**6), 10**6), None),
    # tokens: up to the cap, at it, beyond it
    (Limits(tokens=100), Amounts(tokens=0), None),
    (Limits(tokens=100), Amounts(tokens=99), None),
    (Limits(tokens=100), Amounts(tokens=100), "100 of 100 tokens"),
    (Limits(tokens=5_000_000), Amounts(tokens=6_123_456), "6,123,456 of 5,000,000 tokens"),
    # money is exact
    (Limits(cost=Decimal("0.30")), Amounts(cost=Decimal("0.29")), None),
    (Limits(cost=Decimal("0.30")), Amounts(cost=Decimal("0.1") * 3), "0.3 of 0.30 US dollars"),
    (Limits(cost=Decimal("0.30")), Amounts(cost=Decimal("0.31")), "0.31 of 0.30 US dollars"),
    # minutes
    (Limits(minutes=2), Amounts(minutes=1.99), None),
    (Limits(minutes=2), Amounts(minutes=2.0), "2.0 of 2 minutes"),
    (Limits(minutes=0.5), Amounts(minutes=7.25), "7.2 of 0.5 minutes"),
    # one cap does not speak for another
    (Limits(tokens=100, minutes=2), Amounts(tokens=99, minutes=3), "3.0 of 2 minutes"),
    # of several, tokens are named first
    (
        Limits(100, Decimal(1), 2),
        Amounts(100, Decimal(1), 2),
        "100 of 100 tokens",
    ),
    (Limits(101, Decimal(1), 2), Amounts(100, Decimal(1), 2), "1 of 1 US dollars"),
]


@pytest.mark.parametrize(("limits", "spent", "words"), CAPS)
def test_cap(limits: Limits, spent: Amounts, words: str | None) -> None:
    found = first_exhausted([level(limits, spent)])
    assert (found and str(found)) == (words and f"run r: {words} are used up")


def test_the_outermost_level_is_named() -> None:
    full = Limits(tokens=1), Amounts(tokens=1)
    found = first_exhausted([level(*full, scope=Scope.RUN), level(*full, scope=Scope.PHASE)])
    assert found is not None
    assert found.scope is Scope.RUN


def test_an_inner_level_stops_too() -> None:
    levels = [
        level(Limits(tokens=9), Amounts(tokens=1), scope=Scope.RUN),
        level(Limits(tokens=1), Amounts(tokens=1), scope=Scope.PHASE),
    ]
    found = first_exhausted(levels)
    assert found is not None
    assert (found.scope, found.resource) == (Scope.PHASE, Resource.TOKENS)


def test_no_levels_leave_room() -> None:
    assert first_exhausted([]) is None


def test_calls_without_a_price_stop_a_cap_on_money() -> None:
    spent = Amounts(tokens=10, cost=Decimal("0.1"), unpriced=2)
    capped = level(Limits(cost=Decimal(1)), spent)

    found = first_exhausted([capped])

    assert found is not None
    assert (found.resource, NO_PRICE in str(found)) == (Resource.COST, True)
    assert first_exhausted([replace(capped, accepts_unpriced=True)]) is None
    assert first_exhausted([level(Limits(tokens=100), spent)]) is None


# free minutes, whether others share them, what a build of an hour begins with
@pytest.mark.parametrize(
    ("free", "shared", "held"),
    [(None, True, 60), (40, False, 40), (40, True, 10), (2, True, 1), (0.5, True, 0.5)],
)
def test_shared_minutes_are_handed_out_in_parts(
    free: float | None, shared: bool, held: float
) -> None:
    room_ = Room(None, None, free)

    found = reservation(room_, minutes=60, shared=shared, visible=True, shared_minutes=shared)

    assert found.minutes == held


# held, used, free, the most it may take, what it holds then
@pytest.mark.parametrize(
    ("held", "used", "free", "most", "then"),
    [
        (10, 10, 30, 60, 20),
        (10, 10, 4, 60, 14),
        (10, 10, None, 60, 20),
        # nothing is left, or it may take no longer
        (10, 10, 0, 60, None),
        (10, 10, 30, 10, None),
    ],
)
def test_a_build_asks_for_more_time(
    held: float, used: float, free: float | None, most: float, then: float | None
) -> None:
    found = longer(Reservation(0, None, held), used, Room(None, None, free), most)

    assert (found and found.minutes) == then


@pytest.mark.parametrize("cap", [0, -1, float("nan"), float("inf"), 1e18, Decimal("1e-400")])
def test_a_cap_that_limits_nothing_is_refused(cap: float | Decimal) -> None:
    with pytest.raises(BadInput, match="invalid cost cap") as refused:
        check_cap(cap, "cost_cap")
    assert refused.value.field == "cost_cap"
    # Too small or too large, the hint names both ends.
    assert refused.value.hint == "use a number from 0.000000001 up to 999,999,999,999,999"


@pytest.mark.parametrize("cap", [1, 0.01, Decimal("0.000001"), 10**14])
def test_a_cap_that_limits_something_is_taken(cap: float | Decimal) -> None:
    check_cap(cap, "cost_cap")
