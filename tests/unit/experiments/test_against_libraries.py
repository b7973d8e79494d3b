"""Every statistic that scipy or statsmodels also has agrees with theirs."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from autopack.experiments.statistics.log_ratio import holm, log_ratio, sign_flip
from autopack.experiments.statistics.paired_success import (
    PairedOutcomes,
    mcnemar_mid_p,
    mean_and_lower_limit,
)
from autopack.experiments.statistics.power import power
from autopack.experiments.statistics.ranks import hodges_lehmann, wilcoxon_p
from autopack.experiments.statistics.totals import ratio_of_totals

SIZES = [2, 3, 7, 12, 40, 300]


def draw(n: int) -> np.ndarray:
    return np.random.default_rng(n).normal(-0.2, 0.8, n)


@pytest.mark.parametrize("n", SIZES)
def test_t(n: int) -> None:
    summary, theirs = log_ratio(draw(n)), stats.ttest_1samp(draw(n), 0)
    less = stats.ttest_1samp(draw(n), 0, alternative="less").pvalue
    limits = theirs.confidence_interval(0.97)
    assert [summary.t, summary.p_two, summary.p_less] == pytest.approx(
        [theirs.statistic, theirs.pvalue, less]
    )
    assert summary.limits(0.97) == pytest.approx((limits.low, limits.high))


@pytest.mark.parametrize("n", [2, 7, 12, 16])
@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_exact_sign_flips(n: int, alternative: str) -> None:
    theirs = stats.permutation_test(  # pyright: ignore[reportCallIssue]
        (draw(n),),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        alternative=alternative,  # pyright: ignore[reportArgumentType]
        n_resamples=2**n,
    ).pvalue
    flips = sign_flip(draw(n), seed=0)
    ours = {"two-sided": flips.two, "less": flips.less, "greater": flips.greater}
    assert ours[alternative] == pytest.approx(theirs)


def test_random_sign_flips_come_near_the_exact_ones() -> None:
    d = draw(20)
    sums = np.zeros(1)
    for value in d:
        sums = np.concatenate([sums - value, sums + value])
    exact = float(np.mean(sums <= d.sum() + 1e-12))
    assert sign_flip(d, seed=3).less == pytest.approx(exact, abs=0.004)


@pytest.mark.parametrize("n", SIZES[1:])
def test_wilcoxon(n: int) -> None:
    assert wilcoxon_p(draw(n)) == pytest.approx(stats.wilcoxon(draw(n)).pvalue)


def test_wilcoxon_with_ties_and_zeros() -> None:
    d = np.round(draw(40), 1)
    theirs = stats.wilcoxon(d, zero_method="wilcox", method="asymptotic").pvalue  # pyright: ignore[reportArgumentType]
    assert len(np.unique(np.abs(d))) < 40
    assert wilcoxon_p(d) == pytest.approx(theirs)  # pyright: ignore[reportArgumentType]
    assert wilcoxon_p(np.zeros(9)) is None


@pytest.mark.parametrize("n", [7, 12, 41, 201, 300])
def test_hodges_lehmann_is_the_median_of_the_pairwise_means(n: int) -> None:
    d = draw(n)
    first, second = np.triu_indices(n)
    means = np.sort((d[first] + d[second]) / 2)
    ranks = hodges_lehmann(d)
    assert math.log(ranks.ratio or 0) == pytest.approx(float(np.median(means)), abs=1e-9)
    inside = np.mean((means >= math.log(ranks.lo or 0)) & (means <= math.log(ranks.hi or 0)))
    assert 0.05 < inside < 1
    assert ranks.achieved == pytest.approx(0.95, abs=0.035)
    assert (ranks.achieved or 0) >= 0.9499


def test_hodges_lehmann_level_is_the_same_exact_and_normal() -> None:
    exact, normal = hodges_lehmann(draw(200)), hodges_lehmann(draw(201))
    assert exact.achieved == pytest.approx(normal.achieved, abs=3e-4)


@pytest.mark.parametrize("n", [12, 40, 300])
def test_bootstrap(n: int) -> None:
    random = np.random.default_rng(n)
    control = random.lognormal(11, 0.8, n)
    treatment = control * np.exp(draw(n))
    theirs = stats.bootstrap(
        (control, treatment),
        lambda c, t, axis: t.sum(axis=axis) / c.sum(axis=axis),
        paired=True,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    ours = ratio_of_totals(control, treatment, seed=0).interval
    width = theirs.high - theirs.low
    assert [ours.lo, ours.hi] == pytest.approx([theirs.low, theirs.high], abs=0.05 * width)


@pytest.mark.parametrize(("n10", "n01"), [(0, 1), (1, 7), (4, 9), (20, 3), (0, 12)])
def test_mid_p_is_the_exact_p_less_the_chance_of_what_was_seen(n10: int, n01: int) -> None:
    exact = float(mcnemar([[5, n10], [n01, 5]], exact=True).pvalue)  # pyright: ignore[reportAttributeAccessIssue]
    seen = float(stats.binom.pmf(min(n10, n01), n10 + n01, 0.5))
    assert mcnemar_mid_p(PairedOutcomes(5, n10, n01, 5)) == pytest.approx(exact - seen)


def test_mid_p_of_equal_counts() -> None:
    # Fagerland, Lydersen, Laake 2013: 1 less half the chance of what was seen.
    expected = 1 - stats.binom.pmf(3, 6, 0.5) / 2
    assert mcnemar_mid_p(PairedOutcomes(5, 3, 3, 5)) == pytest.approx(expected)
    assert mcnemar_mid_p(PairedOutcomes(5, 0, 0, 5)) == 1


@pytest.mark.parametrize("n", SIZES)
def test_lower_limit(n: int) -> None:
    test = stats.ttest_1samp(draw(n), 0, alternative="greater")
    mean, lower = mean_and_lower_limit(draw(n))
    assert (mean, lower) == pytest.approx((draw(n).mean(), test.confidence_interval(0.95).low))


def test_holm() -> None:
    p = np.random.default_rng(0).uniform(0, 0.1, 12)
    assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1].tolist())


@pytest.mark.parametrize("n", [2, 5, 20, 111, 1000])
@pytest.mark.parametrize("ratio", [0.95, 0.8, 0.5])
def test_power(n: int, ratio: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = float(TTestPower().power(abs(math.log(ratio)) / 0.83, n, 0.05))
    if math.isnan(theirs):  # scipy's far tail; ours must still be a probability near 1
        theirs = 1.0
    assert power(n, ratio, 0.83) == pytest.approx(theirs, abs=1e-9)
