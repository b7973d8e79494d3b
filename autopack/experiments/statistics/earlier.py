"""Earlier control runs of the same plans: more of the control side for the same money.

The pair stays the unit. Where a plan was run k times as control before, its fresh control and
those runs together estimate what control costs, which divides that part of the noise by k + 1.
That presumes that nothing drifted between then and now; a registered test of earlier against
fresh controls turns them off where it finds a drift. A drift that is too small to be found can
still pass for a saving, so they are used only where they were declared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autopack.experiments.statistics.log_ratio import log_ratio
from autopack.experiments.statistics.sequential import MIN_PLANS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DRIFT_ALPHA = 0.05
# With earlier controls, monitoring spends this of 0.05, and a single look tests at that level:
# looking at the drift first makes the rest a little too sure.
LOOKS_ALPHA = 0.04
ONCE_ALPHA = 0.0425


@dataclass(frozen=True)
class EarlierControls:
    """What came of ``runs`` earlier control runs of ``plans`` plans.

    ``drift`` is earlier over fresh controls, ``p`` its two-sided p. ``variance`` is what is left
    of the variance of the log ratio with them; None where they were not used.
    """

    used: bool
    plans: int
    runs: int
    drift: float | None
    p: float | None
    variance: float | None
    why_not: str | None


def refine(
    d: Floats, control: Floats, plans: Sequence[str], earlier: Mapping[str, Sequence[float]]
) -> tuple[Floats, EarlierControls]:
    """Return the log ratios of pairs with earlier controls in them, where these may be used.

    ``d`` and ``control`` (amounts, not logs) have one value a pair, ``earlier`` the amounts of the
    earlier control runs by plan.
    """
    names, group = np.unique(np.asarray(plans, dtype=str), return_inverse=True)
    fresh = np.log(control)
    number = np.bincount(group, minlength=len(names))
    mean_fresh = np.bincount(group, fresh, len(names)) / number
    known = [np.log(np.asarray(earlier.get(str(name), ()), dtype=np.float64)) for name in names]
    k = np.array([len(values) for values in known], dtype=np.float64)
    before = np.array([values.mean() if len(values) else math.nan for values in known])
    have = k > 0
    plans_known, runs = int(have.sum()), int(k.sum())
    moved = log_ratio((before - mean_fresh)[have])
    drift = moved.ratio
    if plans_known < MIN_PLANS:
        why = f"only {plans_known} plans have earlier controls, and {MIN_PLANS} are needed"
    elif moved.p_two is not None and moved.p_two < DRIFT_ALPHA:
        why = "earlier and fresh controls differ: something drifted in between"
    else:
        share = np.where(have, k / (k + number), 0.0)
        gap = np.where(have[group], fresh - np.nan_to_num(before)[group], 0.0)
        refined = d + share[group] * gap
        left = _plan_variance(refined, group) / max(_plan_variance(d, group), 1e-300)
        used = EarlierControls(True, plans_known, runs, drift, moved.p_two, left, None)
        return refined, used
    return d, EarlierControls(False, plans_known, runs, drift, moved.p_two, None, why)


def _plan_variance(d: Floats, group: NDArray[np.intp]) -> float:
    means = np.bincount(group, d) / np.bincount(group)
    return float(means.var(ddof=1)) if len(means) > 1 else 0.0
