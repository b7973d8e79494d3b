"""The paired log ratio: t statistics, sign-flip permutation, clustering, multiplicity.

``d`` is always the array of log ratios ln(treatment / control), one value a plan. A number that
the data cannot give (too few plans, no variation) is None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

EXACT_SIGN_FLIPS = 16
SIGN_FLIPS = 100_000
MANY_SIGN_FLIPS = 20_000
# Log ratios that differ by less are equal: it is the rounding of a logarithm.
ROUNDING = 1e-12
# Of the error of a side, what the interval that is corrected for skewness may spend. With it
# and the t interval, few and skewed values are not called different more often than they may.
SKEW_SHARE = 0.8
# Beyond this a small sample's skewness is that of one value, and the correction no longer holds.
MOST_SKEW = 1.0


@dataclass(frozen=True)
class Interval:
    """A closed interval; an open side is None."""

    lo: float | None
    hi: float | None


@dataclass(frozen=True)
class LogRatio:
    """The paired t statistics of log ratios. ``p_less`` is for "treatment needs less"."""

    n: int
    mean: float | None
    sd: float | None
    t: float | None
    df: int | None
    p_two: float | None
    p_less: float | None

    @property
    def ratio(self) -> float | None:
        """The geometric mean ratio treatment / control."""
        return None if self.mean is None else math.exp(self.mean)

    def limits(self, level: float) -> tuple[float, float] | None:
        """Return the two-sided t interval of the mean log ratio."""
        if self.mean is None or self.sd is None or self.df is None:
            return None
        half = float(special.stdtrit(self.df, (1 + level) / 2)) * self.sd / math.sqrt(self.n)
        return self.mean - half, self.mean + half

    def interval(self, level: float) -> Interval:
        """Return the two-sided t interval as ratios."""
        limits = self.limits(level)
        return as_ratios(limits) if limits else Interval(None, None)

    def skew_limits(self, skew: float, side: float) -> tuple[float, float] | None:
        """Return the limits corrected for skewness that go with t limits wrong in ``side``
        a side.
        """
        if self.mean is None or self.sd is None or self.df is None:
            return None
        error = self.sd / math.sqrt(self.n)
        quantile = float(special.stdtrit(self.df, 1 - SKEW_SHARE * side))
        low, high = skew_quantiles(self.n, skew, quantile)
        return self.mean - float(high) * error, self.mean - float(low) * error


def skewness(d: Floats) -> float:
    """Return the adjusted skewness of a sample (R: ``e1071::skewness(type = 2)``); 0 without
    spread.
    """
    n = len(d)
    if n < 3:
        return 0.0
    centred = d - np.mean(d)
    spread = float(np.mean(centred**2))
    if spread < ROUNDING**2:
        return 0.0
    return float(np.mean(centred**3)) / spread**1.5 * math.sqrt(n * (n - 1)) / (n - 2)


def skew_quantiles(
    n: Floats | float, skew: Floats | float, quantile: Floats | float
) -> tuple[Floats, Floats]:
    """Return where the t statistic of a skewed sample has the two tails that ``quantile`` of t has.

    Hall (1992) "On the removal of skewness by transformation": with b = skew / sqrt(n),
    g(t) = ((1 + b t / 3)^3 - 1) / b + b / 6 is free of skewness to the second order, and is
    solved for t. Skewness counts up to `MOST_SKEW`. Arrays broadcast.
    """
    b = np.clip(np.asarray(skew, dtype=np.float64), -MOST_SKEW, MOST_SKEW) / np.sqrt(n)
    flat = np.abs(b) < ROUNDING
    safe = np.where(flat, 1.0, b)

    def solved(y: Floats | float) -> Floats:
        found = 3 / safe * (np.cbrt(1 + safe * (y - safe / 6)) - 1)
        return np.where(flat, y, found)

    return solved(-np.asarray(quantile)), solved(np.asarray(quantile))


@dataclass(frozen=True)
class SignFlip:
    """p values of the sign-flip permutation test of the mean; exact up to 16 values."""

    two: float | None
    less: float | None
    greater: float | None


def as_ratios(limits: tuple[float, float]) -> Interval:
    """Limits on the log scale as ratios; infinite ones are open."""
    lo, hi = (math.exp(x) if abs(x) < 700 else None for x in limits)
    return Interval(lo, hi)


def log_ratio(d: Floats) -> LogRatio:
    """Mean, SD (ddof 1) and the paired t test of log ratios.

    Values that are all equal have no t: p is then 1 at a mean of 0, and 0 elsewhere.
    """
    n = len(d)
    if n < 2:
        return LogRatio(n, float(d[0]) if n else None, None, None, None, None, None)
    mean, sd = float(np.mean(d)), float(np.std(d, ddof=1))
    df = n - 1
    if sd < ROUNDING:
        same = abs(mean) < ROUNDING
        p_two, p_less = (1.0, 0.5) if same else (0.0, float(mean > 0))
        return LogRatio(n, 0.0 if same else mean, 0.0, None, df, p_two, p_less)
    t = mean / (sd / math.sqrt(n))
    p_two = 2 * float(special.stdtr(df, -abs(t)))
    return LogRatio(n, mean, sd, t, df, p_two, float(special.stdtr(df, t)))


def sign_flip(d: Floats, *, seed: int, flips: int = SIGN_FLIPS) -> SignFlip:
    """Test that the distribution of ``d`` is symmetric about 0 by flipping signs.

    All 2^n flips up to 16 values, else ``flips`` random ones and p = (b + 1) / (flips + 1); above
    20,000 values the distribution that the flips have by then, to their fourth cumulant.
    """
    if len(d) == 0:
        return SignFlip(None, None, None)
    if len(d) > MANY_SIGN_FLIPS:
        return _many_sign_flips(d)
    exact = len(d) <= EXACT_SIGN_FLIPS
    sums = _signed_sums(d) if exact else _random_signed_sums(d, seed, flips)
    observed = float(np.sum(d))
    slack = ROUNDING * float(np.sum(np.abs(d)))
    extra = 0 if exact else 1

    def share(hits: NDArray[np.bool_]) -> float:
        return (int(np.count_nonzero(hits)) + extra) / (len(sums) + extra)

    return SignFlip(
        two=share(np.abs(sums) >= abs(observed) - slack),
        less=share(sums <= observed + slack),
        greater=share(sums >= observed - slack),
    )


def _many_sign_flips(d: Floats) -> SignFlip:
    """Return the test where n is so large that random flips only blur a distribution that is known.

    The sum of d under random signs has variance sum(d^2) and fourth cumulant -2 sum(d^4), and is
    symmetric: Edgeworth's expansion with these.
    """
    variance = float(np.sum(d**2))
    if variance == 0:
        return SignFlip(1.0, 1.0, 1.0)
    excess = -2 * float(np.sum(d**4)) / variance**2

    def at_most(x: float) -> float:
        density = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        return float(special.ndtr(x)) - density * excess / 24 * (x**3 - 3 * x)

    z = float(np.sum(d)) / math.sqrt(variance)
    tail = min(max(at_most(-abs(z)), 0.0), 0.5)
    less, greater = (tail, 1 - tail) if z < 0 else (1 - tail, tail)
    return SignFlip(two=2 * tail, less=less, greater=greater)


def _signed_sums(d: Floats) -> Floats:
    """Return the sums of ``d`` under all 2^n choices of signs."""
    sums = np.zeros(1)
    for value in d:
        sums = np.concatenate([sums - value, sums + value])
    return sums


def _random_signed_sums(d: Floats, seed: int, flips: int) -> Floats:
    """Sums under random signs: eight values at a time, one random byte looks up their sum."""
    random = np.random.Generator(np.random.PCG64(seed))
    sums = np.zeros(flips)
    for start in range(0, len(d), 8):
        table = np.resize(_signed_sums(d[start : start + 8]), 256)
        sums += table[np.frombuffer(random.bytes(flips), dtype=np.uint8)]
    return sums


def icc(d: Floats, plans: Sequence[object]) -> float | None:
    """Return the share of variance between plans (one-way ANOVA); None without replicates.

    ``d`` has one value a pair here, ``plans`` the plan of each.
    """
    if len(set(plans)) == len(plans):
        return None
    _, group = np.unique(np.asarray(plans, dtype=str), return_inverse=True)
    sizes = np.bincount(group)
    k, n = len(sizes), len(d)
    if k < 2 or n == k:
        return None
    means = np.bincount(group, weights=d) / sizes
    between = float(np.sum(sizes * (means - d.mean()) ** 2)) / (k - 1)
    within = float(np.sum((d - means[group]) ** 2)) / (n - k)
    size = (n - float(np.sum(sizes**2)) / n) / (k - 1)
    total = between + (size - 1) * within
    return (between - within) / total if total > 0 else None


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in the order given."""
    order = sorted(range(len(p)), key=lambda index: p[index])
    adjusted = [0.0] * len(p)
    highest = 0.0
    for step, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - step) * p[index]))
        adjusted[index] = highest
    return adjusted
