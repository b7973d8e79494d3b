"""From the tokens of pairs to the numbers that a decision needs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.statistics.earlier import (
    LOOKS_ALPHA,
    ONCE_ALPHA,
    EarlierControls,
    refine,
)
from autopack.experiments.statistics.log_ratio import (
    Interval,
    LogRatio,
    SignFlip,
    as_ratios,
    log_ratio,
    sign_flip,
    skewness,
)
from autopack.experiments.statistics.losing import LOSS_LOOKS
from autopack.experiments.statistics.replicates import Refined
from autopack.experiments.statistics.sequential import (
    MONITORING_ALPHA,
    Monitoring,
    betting_log_e,
    monitor,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ALPHA = 0.05
# Twice what fewer and more, higher and lower may each be false.
MAX_FALSE = ALPHA
OUTLIER_MADS = 10
_MANY = 10_000


class PlanGroups:
    """Averages and sums over the pairs of a plan; plans in the order of their first pair."""

    def __init__(self, plans: Sequence[str]) -> None:
        self.plans = plans
        if len(plans) > _MANY:
            import pandas as pd  # ten times as fast, and half a second to import

            codes, names = pd.factorize(np.asarray(plans, dtype=object))
            self._group, self.names = codes.astype(np.intp), [str(name) for name in names]
            return
        numbers: dict[str, int] = {}
        self._group = np.array([numbers.setdefault(p, len(numbers)) for p in plans], dtype=np.intp)
        self.names = list(numbers)

    def sum(self, values: Floats) -> Floats:
        """One sum a plan of one value a pair."""
        return np.bincount(self._group, values, len(self.names)).astype(np.float64)

    def mean(self, values: Floats) -> Floats:
        """One mean a plan of one value a pair."""
        return self.sum(values) / np.bincount(self._group, minlength=len(self.names))


@dataclass(frozen=True)
class TokenEvidence:
    """What the tokens say. ``d`` is the mean log ratio of each plan.

    ``last_look`` says whether the fixed-sample test may be used: always, unless monitoring is
    still under way. ``test_interval``, ``skew_interval`` (the same, corrected for skewness) and
    ``side_alpha`` belong to that test; ``reported`` is the 95% interval, whatever way the
    experiment ended. ``equivalence_interval`` spans the t limits and those corrected for
    skewness. ``stopped_at`` is in pairs;
    ``ratio_of_totals`` is NaN without pairs.
    """

    d: Floats
    summary: LogRatio
    flips: SignFlip
    ratio_of_totals: float
    monitoring: Monitoring
    log_e_bet: float
    last_look: bool
    side_alpha: float
    test_interval: Interval
    skew_interval: Interval
    equivalence_interval: Interval
    reported: Interval
    reported_kind: Literal["fixed", "anytime"]
    stopped_at: int | None
    stopped_direction: int
    earlier: EarlierControls | None = None

    @property
    def has_outlier(self) -> bool:
        """Return whether a plan lies more than ten median absolute deviations from the median."""
        if len(self.d) == 0:
            return False
        distance = np.abs(self.d - np.median(self.d))
        return bool(distance.max() > OUTLIER_MADS * np.median(distance) + 1e-9)


def weigh_tokens(
    *,
    control: Floats,
    treatment: Floats,
    plans: Sequence[str],
    n_void: int,
    protocol: AnalysisProtocol,
    earlier: Mapping[str, Sequence[float]] | None = None,
    refined: Refined | None = None,
) -> TokenEvidence:
    """Weigh the tokens of valid pairs, one value a pair, in the order they were finished.

    ``refined`` are the log ratios of plans where replicates count by a rule; looks are then taken
    at the first pairs, which the arrays hold.
    """
    groups = PlanGroups(plans)
    pair_d = np.log(treatment / control)
    used = None
    if protocol.earlier_days is not None:
        pair_d, used = refine(pair_d, control, plans, earlier or {})
    d = groups.mean(pair_d) if refined is None else refined.values
    summary = log_ratio(d)
    looks = looks_alpha(protocol)
    monitoring = monitor(pair_d, plans, min_pairs=protocol.min_pairs, alpha=looks)
    stopped = monitoring.stopped_at if protocol.monitored else None
    complete = refined is None or refined.complete
    all_run = len(pair_d) + n_void >= (protocol.max_pairs or 0) and complete
    last_look = not protocol.monitored or all_run
    skew = skewness(d)
    once = ALPHA if protocol.earlier_days is None else ONCE_ALPHA
    level = 1 - ALPHA + looks if protocol.monitored else 1 - once
    return TokenEvidence(
        d=d,
        summary=summary,
        flips=sign_flip(d, seed=protocol.seed),
        ratio_of_totals=float(treatment.sum() / control.sum()) if len(d) else math.nan,
        monitoring=monitoring,
        log_e_bet=betting_log_e(groups.mean((treatment - control) / (treatment + control))),
        last_look=last_look,
        side_alpha=(1 - level) / 2,
        test_interval=summary.interval(level),
        skew_interval=_ratios(summary.skew_limits(skew, (1 - level) / 2)),
        equivalence_interval=_ratios(_widest(summary, skew, protocol.margin_alpha)),
        reported=_reported(summary, monitoring, level, protocol, last_look),
        reported_kind="fixed" if last_look else "anytime",
        stopped_at=stopped,
        stopped_direction=monitoring.direction if stopped else 0,
        earlier=used,
    )


def _ratios(limits: tuple[float, float] | None) -> Interval:
    return Interval(None, None) if limits is None else as_ratios(limits)


def _widest(summary: LogRatio, skew: float, side: float) -> tuple[float, float] | None:
    """Return the t limits and those corrected for skewness, whichever lie further out."""
    plain, corrected = summary.limits(1 - 2 * side), summary.skew_limits(skew, side)
    if plain is None or corrected is None:
        return None
    return min(plain[0], corrected[0]), max(plain[1], corrected[1])


def success_side(protocol: AnalysisProtocol) -> float:
    """Return what "success is lower" may be wrong where it is tested at the end."""
    return MAX_FALSE / 2 - (LOSS_LOOKS if protocol.monitored else 0.0)


def looks_alpha(protocol: AnalysisProtocol) -> float:
    """Return what all looks of a monitored experiment together may be wrong."""
    return MONITORING_ALPHA if protocol.earlier_days is None else LOOKS_ALPHA


def _reported(
    summary: LogRatio,
    monitoring: Monitoring,
    level: float,
    protocol: AnalysisProtocol,
    last_look: bool,
) -> Interval:
    """Return the 95% interval of the ratio.

    Unmonitored, the t interval. Monitored, the confidence sequence (97%), and at the last look
    its intersection with the t interval (98%): by the union bound both hold with 95%.
    """
    if not protocol.monitored:
        return summary.interval(level)
    limits = summary.limits(level)
    if limits is None or summary.mean is None:
        return Interval(None, None)
    lo, hi = float(monitoring.lo[-1]), float(monitoring.hi[-1])
    if not lo <= summary.mean <= hi:
        # Results drifted out of what earlier looks allowed; the newest look holds by itself.
        half = float(monitoring.half[-1])
        lo, hi = summary.mean - half, summary.mean + half
    if last_look:
        lo, hi = max(lo, limits[0]), min(hi, limits[1])
    return as_ratios((lo, hi))
