"""What pairs say of success: two endpoints with their limits, and what they show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import special

from autopack.experiments.shapes.analysis_protocol import STRICT
from autopack.experiments.shapes.matrix import SuccessAxis
from autopack.experiments.statistics.exact_margin import is_exact, p_above, p_below
from autopack.experiments.statistics.losing import lost_at
from autopack.experiments.statistics.paired_success import (
    PairedOutcomes,
    mcnemar_mid_p,
    mean_and_lower_limit,
    score_lower_limit,
    tango_interval,
)
from autopack.experiments.statistics.token_evidence import ALPHA, PlanGroups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

EndpointName = Literal["runs", "phases"]
Limits = tuple[float, float]

_EVERYTHING: Limits = (-math.inf, math.inf)


@dataclass(frozen=True)
class Endpoint:
    """A difference in success, treatment minus control, and its limits.

    A limit is the widest of what hold: the t limit over plans and, where single outcomes are
    known, Tango's score limit, which stays honest where all outcomes are alike. ``outcomes``
    count a plan once, however often it was run; where that leaves fractions they are rounded
    against the treatment, and for it in ``best``. ``none_succeeded`` is true where neither arm
    had any success.
    """

    differences: Floats
    outcomes: PairedOutcomes | None
    none_succeeded: bool
    best: PairedOutcomes | None = None

    @property
    def diff(self) -> float | None:
        """The mean difference over plans."""
        return float(self.differences.mean()) if len(self.differences) else None

    def limits(self, level: float) -> Limits:
        """Return the two-sided limits at ``level``; infinite where there is no limit."""
        lo, hi = t_limits(self.differences, level)
        if self.outcomes is not None:
            scored = tango_interval(self.outcomes, level) or _EVERYTHING
            lo = min(lo, scored[0])
            if self.best is not None:
                scored = tango_interval(self.best, level) or _EVERYTHING
            hi = max(hi, scored[1])
        return (lo, hi) if math.isinf(lo) else (max(lo, -1.0), min(hi, 1.0))

    def above(self, bound: float, side: float) -> bool:
        """Return whether it is shown, wrong in ``side`` at most, to be over ``bound``."""
        if self.limits(1 - 2 * side)[0] <= bound:
            return False
        counts = _enumerated(self.outcomes, side)
        return counts is None or bool(p_above(*counts, bound)[0] <= side)

    def below(self, bound: float, side: float) -> bool:
        """Return whether it is shown, wrong in ``side`` at most, to be under ``bound``."""
        if self.limits(1 - 2 * side)[1] >= bound:
            return False
        counts = _enumerated(self.best or self.outcomes, side)
        return counts is None or bool(p_below(*counts, bound)[0] <= side)


@dataclass(frozen=True)
class SuccessEvidence:
    """What success says. ``runs`` is success of whole runs, ``phases`` phase completion.

    ``lower`` is the one-sided 95% t limit of the endpoint, ``score_lower`` Tango's; None where
    it cannot be had. ``endpoint`` is the one that decides, ``declared`` whether it was declared.
    """

    outcomes: PairedOutcomes
    mid_p: float | None
    tango: Limits | None
    runs: Endpoint
    phases: Endpoint | None
    endpoint: EndpointName
    declared: bool
    lower: float | None
    score_lower: float | None
    lost_at: int | None = None
    """After how many pairs monitoring showed that success is lost."""

    @property
    def main(self) -> Endpoint:
        """The endpoint that decides."""
        return self.phases if self.endpoint == "phases" and self.phases else self.runs

    @property
    def diff(self) -> float | None:
        """The difference of the endpoint that decides."""
        return self.main.diff

    @property
    def runs_direction(self) -> int:
        """1 when McNemar's mid-p shows that more runs succeed, -1 for fewer, else 0."""
        if self.mid_p is None or self.mid_p >= ALPHA:
            return 0
        return 1 if self.outcomes.n01 > self.outcomes.n10 else -1

    def not_inferior(self, margin: float, alpha: float = STRICT) -> bool:
        """Return whether it is shown to be lower by less than ``margin``, by each limit."""
        return self.main.above(-margin, alpha)

    def not_superior(self, margin: float, alpha: float = STRICT) -> bool:
        """Return whether it is shown to be higher by less than ``margin``, by each limit."""
        return self.main.below(margin, alpha)

    @property
    def nothing_succeeded(self) -> bool:
        """Return whether neither arm had a success, which leaves nothing that could be maintained.

        Where phases were declared to be what success is, a phase is one.
        """
        runs = not self.declared and self.runs.none_succeeded
        return self.main.none_succeeded or runs

    @property
    def is_seen_lost(self) -> bool:
        """Return whether looks showed a loss that later pairs do not contradict."""
        seen = (self.runs.diff or 0.0) < 0 or (self.main.diff or 0.0) < 0
        return self.lost_at is not None and seen

    def axis(
        self, margin: float, *, side: float, lower_side: float, margin_alpha: float
    ) -> SuccessAxis:
        """Return what is shown. ``side`` is the error of higher, ``lower_side`` that of lower.

        Where phases decide, a loss of whole runs counts as a loss, too (a run that fails its last
        phase loses little of it, and yet its purpose); the two then share the error.
        """
        if self.endpoint == "phases":
            ends = (self.main, self.runs)
            is_lower = any(one.below(-margin, lower_side / 2) for one in ends)
        else:
            is_lower = self.runs.below(-margin, lower_side)
        if is_lower or self.is_seen_lost:
            return SuccessAxis.LOWER
        if self.runs_direction < 0 or self.nothing_succeeded:
            return SuccessAxis.UNCLEAR
        if self._is_higher(side):
            return SuccessAxis.HIGHER
        if self.not_inferior(margin, margin_alpha):
            return SuccessAxis.MAINTAINED
        return SuccessAxis.UNCLEAR

    def _is_higher(self, side: float) -> bool:
        """More phases where these were declared, else more runs and not fewer phases."""
        if self.endpoint == "phases" and self.declared:
            return self.main.above(0.0, side)
        more_runs = self.runs_direction > 0 and self.runs.above(0.0, side)
        return more_runs and self.main.limits(1 - 2 * ALPHA)[0] > 0


def weigh_success(
    *,
    control: NDArray[np.bool_],
    treatment: NDArray[np.bool_],
    groups: PlanGroups,
    fractions: tuple[Floats, Floats] | None,
    phases: PairedOutcomes | None,
    declared: EndpointName | None,
    watched: float | None = None,
) -> SuccessEvidence:
    """Weigh success of valid pairs, one value a pair.

    ``fractions`` are the shares of phases completed, ``phases`` the outcomes of single phases;
    None where unknown. Without a declared endpoint, phases decide where they are known.
    ``watched`` is the margin where a loss beyond it was looked for after every pair.
    """
    outcomes = PairedOutcomes.count(control, treatment)
    worst, best = _once_a_plan(outcomes, len(groups.names))
    runs = Endpoint(
        groups.mean(treatment.astype(np.float64) - control.astype(np.float64)),
        worst,
        not (control.any() or treatment.any()),
        best,
    )
    by_phase = None
    if fractions is not None:
        first, second = fractions
        none = not (first.any() or second.any())
        if phases is not None:
            worst, best = _once_a_plan(phases, len(groups.names), outcomes.n)
        else:
            worst = best = None
        by_phase = Endpoint(groups.mean(second - first), worst, none, best)
    endpoint: EndpointName = declared or ("runs" if by_phase is None else "phases")
    main = runs if endpoint == "runs" or by_phase is None else by_phase
    lost = None
    if watched is not None:
        pairs = [treatment.astype(np.float64) - control]
        pairs += [] if main is runs or fractions is None else [fractions[1] - fractions[0]]
        lost = lost_at(pairs, groups.plans, watched)
    return SuccessEvidence(
        outcomes=outcomes,
        mid_p=mcnemar_mid_p(outcomes),
        tango=tango_interval(outcomes),
        runs=runs,
        phases=by_phase,
        endpoint=endpoint if by_phase is not None else "runs",
        declared=declared is not None,
        lower=mean_and_lower_limit(main.differences)[1],
        score_lower=score_lower_limit(main.outcomes),
        lost_at=lost,
    )


def _once_a_plan(
    outcomes: PairedOutcomes, plans: int, pairs: int | None = None
) -> tuple[PairedOutcomes, PairedOutcomes | None]:
    """Return the outcomes that ``plans`` have, rounded against the treatment and for it; the
    second is None where nothing is rounded.

    Replicates share what is hard about their plan: seven plans that were run ten times each and
    never failed are seven plans that did not fail, not seventy. ``pairs`` are those that had the
    outcomes; without it each outcome is a pair of its own.
    """
    share = Fraction(plans, pairs or outcomes.n or 1)
    if share >= 1:
        return outcomes, None
    n = math.floor(outcomes.n * share)
    lost, won = outcomes.n10 * share, outcomes.n01 * share

    def rounded(gone: int, come: int) -> PairedOutcomes:
        both = min(round(outcomes.n11 * share), n - gone - come)
        return PairedOutcomes(both, gone, come, n - gone - come - both)

    most_lost, most_won = min(math.ceil(lost), n), min(math.ceil(won), n)
    return (
        rounded(most_lost, min(math.floor(won), n - most_lost)),
        rounded(min(math.floor(lost), n - most_won), most_won),
    )


def _enumerated(found: PairedOutcomes | None, side: float) -> tuple[int, Counts, Counts] | None:
    """Single outcomes that an exact test can count; None where limits have to do."""
    if found is None or not is_exact(found.n, side):
        return None
    return found.n, np.array([found.n10]), np.array([found.n01])


def t_limits(differences: Floats, level: float) -> Limits:
    """Return the two-sided t limits of the mean of ``differences`` (one a plan)."""
    n = len(differences)
    if n < 2:
        return _EVERYTHING
    mean = float(differences.mean())
    quantile = float(special.stdtrit(n - 1, (1 + level) / 2))
    half = quantile * float(differences.std(ddof=1)) / math.sqrt(n)
    return mean - half, mean + half
