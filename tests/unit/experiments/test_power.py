"""Power plans: consistent in both directions, and honest about what cannot be seen."""

from __future__ import annotations

import math

import pytest

from autopack.experiments.statistics.power import (
    pairs_needed,
    plan_power,
    power,
    visible_ratio,
)
from autopack.model.errors import BadInput


@pytest.mark.parametrize("pairs", [7, 20, 111, 5000])
def test_the_visible_ratio_has_exactly_the_power_asked_for(pairs: int) -> None:
    ratio = visible_ratio(pairs, 0.83)
    assert ratio is not None
    assert power(pairs, ratio, 0.83) == pytest.approx(0.8)


def test_one_pair_fewer_is_not_enough() -> None:
    pairs = pairs_needed(0.7, 0.83) or 0
    assert power(pairs, 0.7, 0.83) >= 0.8 > power(pairs - 1, 0.7, 0.83)


def test_power_is_a_probability_that_grows() -> None:
    values = [power(n, 0.8, 0.83) for n in (2, 3, 5, 10, 30, 100, 300, 1000, 10**4, 10**6)]
    assert values == sorted(values)
    assert values[0] >= 0
    assert values[-1] <= 1


def test_a_plan_with_pairs_says_what_they_see() -> None:
    plan = plan_power(0.83, (0.8, 0.999), pairs=40)
    assert plan.pairs_for == {0.8: 111, 0.999: None}
    assert plan.smallest_saving is not None
    assert plan.smallest_saving_monitored is not None
    assert plan.smallest_saving_monitored < plan.smallest_saving < 1


def test_fewer_plans_than_a_verdict_needs_see_nothing() -> None:
    assert plan_power(0.83, pairs=6).smallest_saving is None


@pytest.mark.parametrize(
    ("sd", "ratio", "pairs", "field"),
    [
        (0.0, 0.8, None, "sd"),
        (-1.0, 0.8, None, "sd"),
        (math.nan, 0.8, None, "sd"),
        (0.8, 1.0, None, "ratio"),
        (0.8, 0.0, None, "ratio"),
        (0.8, math.inf, None, "ratio"),
        (0.8, 0.8, 1, "pairs"),
        (0.8, 0.8, 10**7, "pairs"),
    ],
)
def test_impossible_questions(sd: float, ratio: float, pairs: int | None, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        plan_power(sd, (ratio,), pairs)
    assert caught.value.field == field
