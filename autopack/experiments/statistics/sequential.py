"""Evidence that may be looked at after every pair: e-value, confidence sequence, betting.

The e-value is the Bayes factor of a normal effect (variance g in units of the SD) with the
right-Haar prior on the SD; its reciprocal bounds the chance that it ever gets that large
without an effect (Ville). With n log ratios of mean m and SD s, a = 1/(1 + n g) and
r = n m^2 / ((n - 1) s^2):

    e_n = sqrt(a) * ((1 + r) / (1 + a r)) ^ (n / 2)

The confidence sequence holds the effects that e_n does not reject.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autopack.experiments.statistics.log_ratio import ROUNDING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

EFFECT_VARIANCE = 0.25
# The part of alpha = 0.05 that is spent on stopping early; the rest is left for the last look.
# With more of it large savings are found sooner, with less small ones at all.
MONITORING_ALPHA = 0.03
STOPPING_E = 1 / MONITORING_ALPHA
MIN_PLANS = 7
_BETS = np.array([0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])


@dataclass(frozen=True)
class Monitoring:
    """What a look after each pair would have shown; entry i is the look after pair i + 1.

    ``plans`` counts plans, ``mean`` and ``sd`` are over plan means of the log ratio. ``lo`` and
    ``hi`` bound the mean log ratio by all looks so far: the confidence sequence holds at every
    look at once, so its intersection does (-inf and inf where still open). ``half`` is half the
    width of its newest interval. ``stopped_at`` is the first look, in pairs, at which the
    evidence sufficed.
    """

    plans: NDArray[np.int64]
    mean: Floats
    sd: Floats
    log_e: Floats
    lo: Floats
    hi: Floats
    half: Floats
    stopped_at: int | None

    @property
    def direction(self) -> int:
        """-1 when it stopped because the treatment needs less, 1 for more, 0 if it did not."""
        return 0 if self.stopped_at is None else int(np.sign(self.mean[self.stopped_at - 1]))

    @property
    def final_log_e(self) -> float:
        """ln of the e-value at the newest look; 0 without pairs."""
        return float(self.log_e[-1]) if len(self.log_e) else 0.0


def e_value(log_e: float) -> float:
    """exp(log_e), at most the largest float: a smaller e-value is still an e-value."""
    return math.exp(log_e) if log_e < math.log(sys.float_info.max) else sys.float_info.max


def monitor(
    d: Floats,
    plans: Sequence[object],
    *,
    min_pairs: int | None = None,
    alpha: float = MONITORING_ALPHA,
) -> Monitoring:
    """Replay monitoring over pairs in their order, in O(n).

    ``d`` holds one log ratio a pair. A replicate refines the mean of its plan; evidence counts
    plans, and is first weighed at seven of them, and after ``min_pairs`` pairs. ``alpha`` is
    what all looks together may be wrong.
    """
    count, total, squares, shift = _running_plan_sums(d, plans)
    with np.errstate(divide="ignore", invalid="ignore"):
        centred = total / count
        variance = (squares - count * centred**2) / (count - 1)
    sd = np.sqrt(np.where(variance > ROUNDING**2, variance, 0.0))
    sd[count < 2] = np.nan
    mean = centred + shift
    mean[(sd == 0) & (np.abs(mean) < ROUNDING)] = 0.0
    log_e = log_e_values(count, mean, sd)
    half = half_widths(count, sd, alpha)
    late_enough = np.arange(1, len(d) + 1) >= (min_pairs or 1)
    suffices = (log_e >= -math.log(alpha)) & (count >= MIN_PLANS)
    crossed = np.flatnonzero(suffices & late_enough)
    return Monitoring(
        plans=count,
        mean=mean,
        sd=sd,
        log_e=log_e,
        lo=np.maximum.accumulate(mean - half),
        hi=np.minimum.accumulate(mean + half),
        half=half,
        stopped_at=int(crossed[0]) + 1 if len(crossed) else None,
    )


def _running_plan_sums(
    d: Floats, plans: Sequence[object]
) -> tuple[NDArray[np.int64], Floats, Floats, float]:
    """After each pair: plans seen, sum and sum of squares of their means, less a common shift.

    The shift keeps the sum of squares exact where all ratios are alike.
    """
    shift = float(d[0]) if len(d) else 0.0
    if len(set(plans)) == len(plans):  # no plan comes again: nothing is to be averaged
        centred = d - shift
        return np.arange(1, len(d) + 1), np.cumsum(centred), np.cumsum(centred**2), shift
    sums: dict[object, tuple[int, float]] = {}
    count = np.empty(len(d), dtype=np.int64)
    total, squares = np.empty(len(d)), np.empty(len(d))
    running, running_squares = 0.0, 0.0
    for look, (plan, value) in enumerate(zip(plans, (d - shift).tolist(), strict=True)):
        pairs, amount = sums.get(plan, (0, 0.0))
        before = amount / pairs if pairs else 0.0
        after = (amount + value) / (pairs + 1)
        sums[plan] = (pairs + 1, amount + value)
        running += after - before
        running_squares += after**2 - before**2
        count[look], total[look], squares[look] = len(sums), running, running_squares
    return count, total, squares, shift


def log_e_values(n: NDArray[np.int64], mean: Floats, sd: Floats) -> Floats:
    """ln e_n for n plans of the given mean and SD; 0 below two plans. Arrays broadcast."""
    shrink = 1 / (1 + n * EFFECT_VARIANCE)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = n * mean**2 / ((n - 1) * sd**2)
        growth = np.where(np.isinf(r), -np.log(shrink), np.log1p(r) - np.log1p(r * shrink))
    growth = np.where(mean == 0, 0.0, growth)
    return np.where(n < 2, 0.0, 0.5 * np.log(shrink) + n / 2 * growth)


def half_widths(n: NDArray[np.int64], sd: Floats, alpha: float = MONITORING_ALPHA) -> Floats:
    """Half the width of the 1 - alpha confidence sequence of the mean; arrays broadcast."""
    shrink = 1 / (1 + n * EFFECT_VARIANCE)
    bound = (1 / (alpha * np.sqrt(shrink))) ** (2 / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = sd / np.sqrt(n) * np.sqrt((n - 1) * (bound - 1) / (1 - bound * shrink))
    return np.where((bound * shrink >= 1) | (n < 2), np.inf, half)


def betting_log_e(relative_savings: Floats) -> float:
    """ln K_n, the capital of betting that the treatment needs less.

    ``relative_savings`` are (T - C) / (T + C), one a plan. Exact whenever their mean is not
    below 0, without any assumption about their distribution.
    """
    capital: Floats = np.log1p(-np.outer(_BETS, relative_savings)).sum(axis=1)
    highest = float(capital.max())
    return highest + math.log(float(np.mean(np.exp(capital - highest))))
