"""Statistics of paired success: McNemar mid-p, Tango's interval, phase-completion limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from autopack.experiments.statistics.roots import root

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EDGE = 1e-12


@dataclass(frozen=True)
class PairedOutcomes:
    """How many pairs succeeded in both arms, control only, treatment only, neither."""

    n11: int
    n10: int
    n01: int
    n00: int

    @classmethod
    def count(cls, control: NDArray[np.bool_], treatment: NDArray[np.bool_]) -> PairedOutcomes:
        """Count the pairs of two aligned arrays."""
        both = int(np.count_nonzero(control & treatment))
        first = int(np.count_nonzero(control)) - both
        second = int(np.count_nonzero(treatment)) - both
        return cls(both, first, second, len(control) - both - first - second)

    @property
    def n(self) -> int:
        """All pairs."""
        return self.n11 + self.n10 + self.n01 + self.n00

    @property
    def diff(self) -> float | None:
        """Success rate of treatment minus that of control."""
        return (self.n01 - self.n10) / self.n if self.n else None


def mcnemar_mid_p(outcomes: PairedOutcomes) -> float | None:
    """Return the two-sided mid-p value of McNemar's test (Fagerland, Lydersen, Laake 2013).

    1 where no pair disagrees, None without pairs.
    """
    if outcomes.n == 0:
        return None
    few, discordant = min(outcomes.n10, outcomes.n01), outcomes.n10 + outcomes.n01
    if discordant == 0:
        return 1.0
    at_most = float(special.bdtr(few, discordant, 0.5))
    exactly = at_most - (float(special.bdtr(few - 1, discordant, 0.5)) if few else 0.0)
    return 1 - exactly / 2 if outcomes.n10 == outcomes.n01 else 2 * at_most - exactly


def tango_z(outcomes: PairedOutcomes, difference: float) -> float:
    """Tango's score statistic of the hypothesis that the rates differ by ``difference``."""
    n, b, c = outcomes.n, outcomes.n01, outcomes.n10
    spread = difference * (1 - difference)
    linear = (2 * n - b + c) * difference - b - c
    root = math.sqrt(max(linear**2 + 8 * n * c * spread, 0.0))
    control_only = (root - linear) / (4 * n)
    variance = n * (2 * control_only + spread)
    return (b - c - n * difference) / math.sqrt(max(variance, _EDGE))


def tango_interval(outcomes: PairedOutcomes, level: float = 0.95) -> tuple[float, float] | None:
    """Tango's score interval of the difference in success (Tango 1998); None without pairs."""
    if outcomes.diff is None:
        return None
    z = float(special.ndtri((1 + level) / 2))

    diff = outcomes.diff

    def limit(target: float, outer: float) -> float:
        return root(lambda difference: tango_z(outcomes, difference) - target, diff, outer)

    return limit(z, -1 + _EDGE), limit(-z, 1 - _EDGE)


def score_lower_limit(outcomes: PairedOutcomes | None, level: float = 0.95) -> float | None:
    """Tango's one-sided lower limit of the difference in success; None without pairs.

    It holds where every outcome was alike, of which the t limit says that nothing is uncertain.
    """
    if outcomes is None:
        return None
    interval = tango_interval(outcomes, 2 * level - 1)
    return None if interval is None else interval[0]


def mean_and_lower_limit(
    differences: NDArray[np.float64], level: float = 0.95
) -> tuple[float | None, float | None]:
    """Return the mean of paired differences (one a plan) and its one-sided lower t limit."""
    n = len(differences)
    if n == 0:
        return None, None
    mean = float(differences.mean())
    if n < 2:
        return mean, None
    error = float(differences.std(ddof=1)) / math.sqrt(n)
    return mean, mean - float(special.stdtrit(n - 1, level)) * error
