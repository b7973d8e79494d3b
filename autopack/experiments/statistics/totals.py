"""What was paid in all: ratio of totals with its bootstrap, and tokens per success."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from autopack.experiments.shapes.analysis_schema import ArmDescription
from autopack.experiments.statistics.log_ratio import ROUNDING, Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BOOTSTRAPS = 9_999
# Many plans need fewer resamples: their draws, at most, and the resamples at least.
_MOST_DRAWS = 20_000_000
_FEWEST_BOOTSTRAPS = 1_999
# More plans than these are resampled in groups.
_MOST_RESAMPLED = 20_000
_GROUPS = 2_000


@dataclass(frozen=True)
class TotalsRatio:
    """Sum of treatment over sum of control, with its BCa bootstrap interval."""

    ratio: float | None
    interval: Interval


def ratio_of_totals(control: Floats, treatment: Floats, *, seed: int) -> TotalsRatio:
    """Sum of ``treatment`` over sum of ``control`` and its 95% BCa interval.

    Give totals per plan: plans are what is resampled. Efron 1987; below 50 plans the interval
    covers 80 to 90%, so it describes and decides nothing.
    """
    n = len(control)
    if n == 0:
        return TotalsRatio(None, Interval(None, None))
    ratio = float(treatment.sum() / control.sum())
    if n < 2:
        return TotalsRatio(ratio, Interval(None, None))
    control, treatment = pooled(control, treatment, seed=seed)
    boots = _bootstrap_ratios(control, treatment, seed)
    left_out = (treatment.sum() - treatment) / (control.sum() - control)
    spread = left_out.mean() - left_out
    scale = math.pow(float(np.sum(spread**2)), 1.5)
    if scale == 0 or float(np.ptp(boots)) < ROUNDING * ratio:
        return TotalsRatio(ratio, Interval(ratio, ratio))
    acceleration = float(np.sum(spread**3)) / (6 * scale)
    below = (np.count_nonzero(boots < ratio) + np.count_nonzero(boots <= ratio)) / (2 * len(boots))
    bias = float(special.ndtri(below))
    if not math.isfinite(bias):
        return TotalsRatio(ratio, Interval(None, None))

    def rank(share: float) -> float:
        z = bias + float(special.ndtri(share))
        return float(special.ndtr(bias + z / (1 - acceleration * z)))

    limits: Floats = np.quantile(boots, np.array([rank(0.025), rank(0.975)]))
    return TotalsRatio(ratio, Interval(float(limits[0]), float(limits[1])))


def pooled(*sums: Floats, seed: int) -> tuple[Floats, ...]:
    """Return the sums of many plans as those of two thousand groups of plans, drawn at random.

    Sums over groups vary as sums over plans do, so resampling groups says the same of a ratio of
    sums, its standard error to one part in sixty; a million plans need not be drawn 2,000 times.
    """
    n = len(sums[0])
    if n <= _MOST_RESAMPLED:
        return sums
    group = np.random.Generator(np.random.PCG64(seed)).permutation(n) % _GROUPS
    return tuple(np.bincount(group, one, _GROUPS).astype(np.float64) for one in sums)


def _bootstrap_ratios(control: Floats, treatment: Floats, seed: int) -> Floats:
    random = np.random.Generator(np.random.PCG64(seed))
    # One complex number a plan: control and treatment are gathered and summed together.
    both = control + 1j * treatment
    n = len(both)
    resamples = min(BOOTSTRAPS, max(_FEWEST_BOOTSTRAPS, _MOST_DRAWS // n))
    rows = max(1, 500_000 // n)
    sums: NDArray[np.complex128] = np.concatenate(
        [
            both[random.integers(0, n, size=(min(rows, resamples - done), n))].sum(axis=1)
            for done in range(0, resamples, rows)
        ]
    )
    return np.imag(sums) / np.real(sums)


def describe(values: Floats) -> ArmDescription:
    """Mean, median, SD and total; description, never evidence."""
    n = len(values)
    return ArmDescription(
        mean=float(values.mean()) if n else None,
        median=float(np.median(values)) if n else None,
        sd=float(values.std(ddof=1)) if n > 1 else None,
        total=float(values.sum()) if n else None,
    )


def tokens_per_success_ratio(
    control: Floats, treatment: Floats, control_successes: int, treatment_successes: int
) -> float | None:
    """Tokens spent per successful run, treatment over control; None when an arm has none."""
    if control_successes == 0 or treatment_successes == 0:
        return None
    return float((treatment.sum() / treatment_successes) / (control.sum() / control_successes))
