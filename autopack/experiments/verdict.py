"""The decision rule: from evidence to a named verdict, its reasons and one sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from autopack.experiments.evidence import ALPHA, TokenEvidence
from autopack.experiments.protocol import AnalysisProtocol
from autopack.experiments.sequential import MIN_PLANS, STOPPING_E, e_value
from autopack.experiments.statistics import Interval
from autopack.experiments.success import PairedOutcomes
from autopack.experiments.wording import count, p_value, points, ratio_range

MAX_VOID_SHARE = 0.20
EQUIVALENCE = (1 / 1.1, 1.1)
# Fewer plans than this, and bootstraps and run-level success describe but do not show.
DESCRIPTIVE_BELOW = 50


class Decision(StrEnum):
    """What an experiment has shown."""

    INVALID = "INVALID"
    INSUFFICIENT = "INSUFFICIENT"
    SAVES = "SAVES"
    SAVES_SUCCESS_UNPROVEN = "SAVES_SUCCESS_UNPROVEN"
    MEDIAN_SAVES_TOTAL_DOES_NOT = "MEDIAN_SAVES_TOTAL_DOES_NOT"
    RAISES_SUCCESS = "RAISES_SUCCESS"
    COSTS_MORE = "COSTS_MORE"
    EQUIVALENT = "EQUIVALENT"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class SuccessEvidence:
    """What success says. ``lower`` is the one-sided 95 % limit of the phase-completion difference.

    ``stands_in`` is true where success of whole runs had to stand in for phase completion.
    ``score_lower`` is a limit that also holds where all outcomes are alike (see ``success``);
    None where it cannot be had.
    """

    outcomes: PairedOutcomes
    mid_p: float | None
    tango: tuple[float, float] | None
    fraction_diff: float | None
    lower: float | None
    stands_in: bool = False
    score_lower: float | None = None

    def not_inferior(self, margin: float) -> bool:
        """Whether phase completion is shown to be lower by less than ``margin``, by each limit."""
        scored = self.score_lower is None or self.score_lower > -margin
        return self.lower is not None and self.lower > -margin and scored

    @property
    def runs_direction(self) -> int:
        """1 when McNemar's mid-p shows that more runs succeed, -1 for fewer, else 0."""
        if self.mid_p is None or self.mid_p >= ALPHA:
            return 0
        return 1 if self.outcomes.n01 > self.outcomes.n10 else -1


@dataclass(frozen=True)
class Verdict:
    """A decision, why, and the sentence a person reads first."""

    decision: Decision
    reasons: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class _Finding:
    """A decision on the way, with the reasons gathered so far."""

    decision: Decision
    reasons: tuple[str, ...]


def decide(
    *,
    tokens: TokenEvidence,
    success: SuccessEvidence,
    n_pairs: int,
    n_void: int,
    protocol: AnalysisProtocol,
) -> Verdict:
    """Apply the rule: validity, size, tokens, total cost, success, in this order."""
    plans = tokens.summary.n
    size = f"{count(n_pairs, 'pair')} of {count(plans, 'plan')}, {n_void} void"
    share = n_void / max(n_pairs + n_void, 1)
    if share > MAX_VOID_SHARE:
        reason = f"{n_void} of {n_pairs + n_void} pairs are void, {share:.0%}; at most 20% may be"
        return Verdict(Decision.INVALID, (reason,), f"INVALID: {reason}.")
    if plans < MIN_PLANS:
        reason = f"a verdict needs at least {MIN_PLANS} plans"
        return Verdict(
            Decision.INSUFFICIENT,
            (f"{reason}, there are {plans}",),
            f"INSUFFICIENT: {reason} ({_numbers(tokens)}; {size}).",
        )
    finding = _about_tokens(tokens, protocol)
    if finding.decision is Decision.SAVES:
        finding = _about_saving(finding, tokens, success, protocol)
    reasons = (*finding.reasons, *_about_runs(success, plans))
    claim = _claim(finding.decision, tokens, protocol)
    if tokens.stopped_at is not None:
        size += f", stopped early at {tokens.stopped_at} of {protocol.max_pairs}"
    return Verdict(
        finding.decision, reasons, f"{finding.decision}: {claim} ({_numbers(tokens)}; {size})."
    )


def _about_tokens(tokens: TokenEvidence, protocol: AnalysisProtocol) -> _Finding:
    """SAVES, COSTS_MORE, EQUIVALENT or INCONCLUSIVE."""
    mean = tokens.summary.mean or 0.0
    if tokens.stopped_at is not None:
        reason = (
            f"monitoring stopped after {tokens.stopped_at} of {protocol.max_pairs} planned pairs: "
            f"the e-value reached {STOPPING_E:.3g}"
        )
        if mean * tokens.stopped_direction > 0:
            found = Decision.SAVES if mean < 0 else Decision.COSTS_MORE
            return _Finding(found, (reason,))
        return _Finding(Decision.INCONCLUSIVE, (reason, "the pairs after it point the other way"))
    if not tokens.last_look:
        e = e_value(tokens.monitoring.final_log_e)
        return _Finding(
            Decision.INCONCLUSIVE,
            (
                f"{len(tokens.monitoring.mean)} valid pairs of {protocol.max_pairs} planned: the "
                f"e-value is {e:.3g} and monitoring stops at {STOPPING_E:.3g}",
            ),
        )
    return _last_look(tokens)


def _last_look(tokens: TokenEvidence) -> _Finding:
    flips, alpha = tokens.flips, tokens.side_alpha
    lo, hi = _limits(tokens.test_interval)
    test = f"the {1 - 2 * alpha:.0%} t interval is {ratio_range(tokens.test_interval)}"
    if hi < 1 and flips.less is not None and flips.less <= alpha:
        return _Finding(
            Decision.SAVES, (f"{test} and the sign-flip p for less is {p_value(flips.less)}",)
        )
    if lo > 1 and flips.greater is not None and flips.greater <= alpha:
        return _Finding(
            Decision.COSTS_MORE,
            (f"{test} and the sign-flip p for more is {p_value(flips.greater)}",),
        )
    lo, hi = _limits(tokens.equivalence_interval)
    within = f"the {1 - 2 * ALPHA:.0%} interval {ratio_range(tokens.equivalence_interval)}"
    if lo >= EQUIVALENCE[0] and hi <= EQUIVALENCE[1]:
        return _Finding(Decision.EQUIVALENT, (f"{within} lies within 1/1.1 to 1.1",))
    return _Finding(
        Decision.INCONCLUSIVE,
        (
            f"{test} with sign-flip p {p_value(flips.less)} for less and "
            f"{p_value(flips.greater)} for more: no difference is shown at {alpha:.1%} a side",
            f"{within} does not lie within 1/1.1 to 1.1: equivalence is not shown either",
        ),
    )


def _about_saving(
    finding: _Finding, tokens: TokenEvidence, success: SuccessEvidence, protocol: AnalysisProtocol
) -> _Finding:
    """What becomes of SAVES when total cost and success are looked at."""
    if tokens.ratio_of_totals >= 1:
        reason = (
            "the typical plan saves, but all plans together cost "
            f"{tokens.ratio_of_totals:.3f} times as much"
        )
        return _Finding(Decision.MEDIAN_SAVES_TOTAL_DOES_NOT, (*finding.reasons, reason))
    margin = f"the margin of {100 * protocol.ni_margin:g} points"
    if success.lower is None or not success.not_inferior(protocol.ni_margin):
        reason = f"phase completion may be lower by more than {margin}: {_limit(success)}"
        return _Finding(Decision.SAVES_SUCCESS_UNPROVEN, (*finding.reasons, reason))
    reasons = (
        *finding.reasons,
        f"phase completion is maintained within {margin}: {_limit(success)}",
    )
    if success.runs_direction < 0:
        # A run that fails its last phase loses little phase completion, and yet its purpose.
        return _Finding(Decision.SAVES_SUCCESS_UNPROVEN, (*reasons, "fewer runs succeed"))
    if success.runs_direction > 0 and success.lower > 0:
        return _Finding(Decision.RAISES_SUCCESS, (*reasons, "more runs succeed"))
    return _Finding(Decision.SAVES, reasons)


def _about_runs(success: SuccessEvidence, plans: int) -> tuple[str, ...]:
    """The run-level interval, which is always told, and how far it can be trusted."""
    if success.tango is None or success.outcomes.diff is None:
        return ()
    lo, hi = (points(limit) for limit in success.tango)
    told = (
        f"run-level success differs by {points(success.outcomes.diff)} points "
        f"(95% Tango interval {lo} to {hi}, McNemar mid-p {p_value(success.mid_p)})",
    )
    if success.stands_in and plans < DESCRIPTIVE_BELOW:
        caution = (
            "phase completion was not given and success of whole runs stands in for it: below "
            f"{DESCRIPTIVE_BELOW} plans judge success by the Tango interval"
        )
        return (*told, caution)
    return told


def _claim(decision: Decision, tokens: TokenEvidence, protocol: AnalysisProtocol) -> str:
    ratio = tokens.summary.ratio or math.nan
    change = f"{abs(1 - ratio):.1%} {'fewer' if ratio < 1 else 'more'} tokens per plan"
    match decision:
        case Decision.SAVES:
            return f"the treatment needs {change} and success is maintained"
        case Decision.RAISES_SUCCESS:
            return f"the treatment needs {change} and more runs succeed"
        case Decision.SAVES_SUCCESS_UNPROVEN:
            return f"the treatment needs {change}, but it is not shown that success is maintained"
        case Decision.MEDIAN_SAVES_TOTAL_DOES_NOT:
            return f"the treatment needs {change}, but not fewer over all plans together"
        case Decision.COSTS_MORE:
            return f"the treatment needs {change}"
        case Decision.EQUIVALENT:
            return "the treatment needs the same tokens per plan to within a tenth"
        case _ if not tokens.last_look and tokens.stopped_at is None:
            return (
                f"no difference in tokens is shown yet, and {protocol.max_pairs} pairs are planned"
            )
        case _:
            return "no difference in tokens is shown"


def _numbers(tokens: TokenEvidence) -> str:
    ratio = tokens.summary.ratio
    told = f"ratio {ratio:.3f}" if ratio is not None else "no ratio"
    return f"{told}, 95% interval {ratio_range(tokens.reported)}"


def _limit(success: SuccessEvidence) -> str:
    if success.lower is None or success.fraction_diff is None:
        return "there is no limit yet"
    limit, over = success.lower, ""
    if success.score_lower is not None and success.score_lower < success.lower:
        limit, over = success.score_lower, " by the outcomes of single "
        over += "runs" if success.stands_in else "phases"
    return (
        f"it differs by {points(success.fraction_diff)} points, "
        f"one-sided 95% limit {points(limit)}{over}"
    )


def _limits(interval: Interval) -> tuple[float, float]:
    lo, hi = interval.lo, interval.hi
    return -math.inf if lo is None else lo, math.inf if hi is None else hi
