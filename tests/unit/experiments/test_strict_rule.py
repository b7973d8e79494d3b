"""What keeps statements that are proven from being false in more than 2.5% a side."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from autopack.experiments.statistics.exact_margin import (
    MOST_ENUMERATED,
    NUISANCE_ERROR,
    p_above,
    p_below,
    score,
)
from autopack.experiments.statistics.log_ratio import (
    MOST_SKEW,
    SKEW_SHARE,
    log_ratio,
    skew_quantiles,
    skewness,
)
from autopack.experiments.statistics.losing import LOSS_LOOKS, log_capital, lost_at
from autopack.experiments.statistics.paired_success import PairedOutcomes, tango_z


def by_brute_force(n: int, lost: int, won: int, bound: float) -> float:
    """The p of Berger and Boos, table by table and share by share."""
    observed = tango_z(PairedOutcomes(0, lost, won, n - lost - won), bound)
    seen = stats.binomtest(lost + won, n).proportion_ci(1 - NUISANCE_ERROR)
    highest = 0.0
    least = max(abs(bound), seen.low)
    for share in np.linspace(least, max(least, seen.high), 120):
        odds = [(share - bound) / 2, (share + bound) / 2, 1 - share]
        chance = sum(
            stats.multinomial.pmf([a, b, n - a - b], n, odds)
            for a in range(n + 1)
            for b in range(n + 1 - a)
            if tango_z(PairedOutcomes(0, a, b, n - a - b), bound) >= observed - 1e-9
        )
        highest = max(highest, float(chance))
    return min(highest + NUISANCE_ERROR, 1.0)


@pytest.mark.parametrize(
    ("lost", "won", "bound"), [(0, 0, -0.1), (1, 3, -0.1), (0, 6, 0.0), (4, 5, -0.3), (0, 7, 0.1)]
)
def test_the_exact_p_is_that_of_counting_table_by_table(lost: int, won: int, bound: float) -> None:
    found = p_above(9, np.array([lost]), np.array([won]), bound)[0]
    wanted = by_brute_force(9, lost, won, bound)
    # Its grid of shares is coarser, and a step wider on either side.
    assert wanted - 0.001 <= found <= 1.15 * wanted + 0.002


def test_below_is_the_mirror_of_above() -> None:
    lost, won = np.array([5, 8, 0]), np.array([2, 1, 9])
    assert p_below(12, lost, won, -0.1) == pytest.approx(p_above(12, won, lost, 0.1))
    ends = np.array([0, MOST_ENUMERATED])
    assert p_above(MOST_ENUMERATED, ends[::-1], ends, -0.1) == pytest.approx([1, 0.001], abs=1e-6)


def test_its_order_is_that_of_tangos_score() -> None:
    for lost, won in ((0, 0), (3, 1), (2, 9)):
        one = tango_z(PairedOutcomes(0, lost, won, 20 - lost - won), -0.1)
        assert score(20, np.array(float(lost)), np.array(float(won)), -0.1) == pytest.approx(one)


@pytest.mark.parametrize("skew", [-0.9, -0.2, 0.0, 0.4, 1.0])
@pytest.mark.parametrize("n", [7, 30])
def test_quantiles_of_a_skewed_sample_solve_halls_transformation(n: int, skew: float) -> None:
    b = skew / math.sqrt(n)

    def transformed(t: float) -> float:
        return t + b * t**2 / 3 + b**2 * t**3 / 27 + b / 6

    quantile = float(stats.t.ppf(0.98, n - 1))
    low, high = skew_quantiles(n, skew, quantile)
    for found, target in ((low, -quantile), (high, quantile)):
        wanted = optimize.brentq(lambda t, y=target: transformed(t) - y, -50, 50)
        assert float(found) == pytest.approx(wanted, rel=1e-6)
    beyond = skew_quantiles(n, 5.0, quantile)
    assert beyond == skew_quantiles(n, MOST_SKEW, quantile)


def test_limits_that_are_corrected_lie_where_the_long_tail_is() -> None:
    d = np.array([0.1, -0.2, 0.0, 0.15, -0.1, 0.05, 1.4, -0.05])
    assert skewness(d) == pytest.approx(float(stats.skew(d, bias=False)))
    summary = log_ratio(d)
    plain, corrected = summary.limits(0.95), summary.skew_limits(skewness(d), 0.025)
    assert plain is not None
    assert corrected is not None
    assert corrected[1] > plain[1]
    assert corrected[0] > plain[0]
    flat = summary.skew_limits(0.0, 0.025)
    assert flat == pytest.approx(summary.limits(1 - 2 * SKEW_SHARE * 0.025))


def test_the_capital_against_lost_success_is_a_product() -> None:
    x = np.array([-1.0, 0.0, 1.0, -0.5])
    stakes = np.array([0.05, 0.15, 0.3, 0.5, 0.7, 0.9]) / 1.1
    wanted = np.log(np.mean([np.prod(1 - stake * (x + 0.1)) for stake in stakes]))
    assert log_capital(x, 0.1)[-1] == pytest.approx(wanted, rel=1e-6)


def test_a_loss_of_the_margin_is_seldom_called_more() -> None:
    random = np.random.default_rng(3)
    drawn = random.random((4000, 150))
    x = np.where(drawn < 0.25, -1.0, np.where(drawn < 0.40, 1.0, 0.0))
    ever = (log_capital(x, 0.1) >= -math.log(LOSS_LOOKS)).any(axis=1).mean()
    assert ever <= stats.binom.isf(0.001, 4000, LOSS_LOOKS) / 4000


def test_a_loss_is_seen_by_first_pairs_of_plans_alone() -> None:
    lost = np.full(40, -1.0)
    plans = [f"plan {i}" for i in range(40)]
    assert lost_at([lost], plans, 0.1) == 11
    # Two endpoints share the error.
    assert lost_at([lost, lost], plans, 0.1) == 13
    assert lost_at([lost], [plan for plan in plans[:20] for _ in range(2)], 0.1) == 21
    assert lost_at([lost], ["one"] * 40, 0.1) is None
    assert lost_at([np.zeros(40)], plans, 0.1) is None
