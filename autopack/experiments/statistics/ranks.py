"""Rank statistics of log ratios: Hodges-Lehmann and Wilcoxon, reported as sensitivity only.

They test a pseudo-median, so under a skewed treatment they get worse with more pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from autopack.experiments.statistics.log_ratio import ROUNDING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Up to here the signed-rank distribution is enumerated, above it is normal to 3 digits.
_EXACT_RANKS = 200
_EXACT_P = 50
# From here on looking where the value would be pays more than halving, and so many are listed.
_INTERPOLATED = 2_000
_LISTED = 2_000_000


@dataclass(frozen=True)
class HodgesLehmann:
    """The pseudo-median as a ratio, with the interval whose exact level is ``achieved``."""

    ratio: float | None
    lo: float | None
    hi: float | None
    achieved: float | None


def hodges_lehmann(d: Floats, level: float = 0.95) -> HodgesLehmann:
    """Return the median of the pairwise means and its distribution-free interval.

    The interval ends at order statistics of the pairwise means, as R's wilcox.test does; where
    no interval reaches ``level`` (5 values and fewer at 95%) its fields are None.
    """
    n = len(d)
    if n == 0:
        return HodgesLehmann(None, None, None, None)
    ordered = np.sort(d)
    count = n * (n + 1) // 2
    middle = [_walsh(ordered, k) for k in {(count + 1) // 2, (count + 2) // 2}]
    ratio = math.exp(sum(middle) / len(middle))
    rank, achieved = _rank_cut(n, level)
    if rank < 1:
        return HodgesLehmann(ratio, None, None, None)
    lo, hi = _walsh(ordered, rank), _walsh(ordered, count + 1 - rank)
    return HodgesLehmann(ratio, math.exp(lo), math.exp(hi), achieved)


def _walsh(ordered: Floats, k: int) -> float:
    """Return the k-th smallest mean of two values (or one twice), by bisection on its value.

    All n(n+1)/2 means of 10,000 values would take 400 MB; counting them takes none.
    """
    lo, hi = float(ordered[0]), float(ordered[-1])
    index = np.arange(len(ordered))

    def at_most(value: float) -> int:
        reach = np.searchsorted(ordered, 2 * value - ordered + ROUNDING, side="right")
        return int(np.maximum(reach - index, 0).sum())

    if len(ordered) > _INTERPOLATED:
        return _walsh_of_many(ordered, k, at_most)
    while hi - lo > ROUNDING:
        centre = (lo + hi) / 2
        lo, hi = (lo, centre) if at_most(centre) >= k else (centre, hi)
    return hi


def _walsh_of_many(ordered: Floats, k: int, at_most: Callable[[float], int]) -> float:
    """As `_walsh`, where a count takes long: limits close in until those between can be listed.

    Means of so many values are nearly even between two limits, so looking on both sides of where
    this one would be if they were leaves a hundredth of them, and not a half.
    """
    lo, hi = float(ordered[0]) - 1.0, float(ordered[-1])
    below, above = 0, len(ordered) * (len(ordered) + 1) // 2
    while above - below > _LISTED and hi - lo > ROUNDING:
        guess = lo + (hi - lo) * (k - below) / (above - below)
        room = (hi - lo) / 200
        for look in (guess - room, guess + room, (lo + hi) / 2):
            if lo < look < hi:
                found = at_most(look)
                if found >= k:
                    hi, above = look, found
                else:
                    lo, below = look, found
    if hi - lo <= ROUNDING:
        return hi
    index = np.arange(len(ordered))
    first, last = (
        np.maximum(np.searchsorted(ordered, 2 * limit - ordered + ROUNDING, side="right"), index)
        for limit in (lo, hi)
    )
    counts = last - first
    rows = np.repeat(index, counts)
    columns = np.arange(len(rows)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    means = (ordered[rows] + ordered[columns]) / 2
    return float(np.partition(means, k - below - 1)[k - below - 1])


def _rank_cut(n: int, level: float) -> tuple[int, float]:
    """Return which order statistic ends the signed-rank interval, and the level it achieves."""
    tail = (1 - level) / 2
    if n > _EXACT_RANKS:
        mean, sd = n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        rank = math.floor(mean - float(special.ndtri(1 - tail)) * sd)
        return rank, 1 - 2 * float(special.ndtr((rank - 0.5 - mean) / sd))
    below = _signed_rank_cdf(n)
    rank = int(np.searchsorted(below, tail, side="right"))
    return rank, 1 - 2 * float(below[rank - 1]) if rank else 0.0


def _signed_rank_cdf(n: int) -> Floats:
    """P(W <= w) of the signed-rank sum of ``n`` values without an effect, for every w."""
    chance = np.zeros(n * (n + 1) // 2 + 1)
    chance[0] = 1.0
    for rank in range(1, n + 1):
        chance[rank:] += chance[:-rank].copy()
        chance /= 2
    return np.cumsum(chance)


def wilcoxon_p(d: Floats) -> float | None:
    """Return the two-sided signed-rank p; zeros are omitted, None where nothing else is left.

    Exact to 50 values without ties; else normal with the variance that ties leave.
    """
    d = d[d != 0]
    n = len(d)
    if n == 0:
        return None
    _, group, sizes = np.unique(np.abs(d), return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    ranks = (last - (sizes - 1) / 2)[group]
    positive = float(ranks[d > 0].sum())
    if n <= _EXACT_P and len(sizes) == n:
        smaller = min(positive, n * (n + 1) / 2 - positive)
        return min(1.0, 2 * float(_signed_rank_cdf(n)[int(smaller)]))
    mean = n * (n + 1) / 4
    variance = n * (n + 1) * (2 * n + 1) / 24 - float(np.sum(sizes**3 - sizes)) / 48
    return 2 * float(special.ndtr(-abs(positive - mean) / math.sqrt(variance)))
