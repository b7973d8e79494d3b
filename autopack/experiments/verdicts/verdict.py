"""The decision rule: from evidence to a named verdict, its reasons and one sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopack.experiments.pairs.resource import resource
from autopack.experiments.shapes.matrix import (
    Decision,
    ErrorSplit,
    ResourceAxis,
    SuccessAxis,
    cell,
)
from autopack.experiments.statistics.log_ratio import Interval
from autopack.experiments.statistics.losing import LOSS_LOOKS
from autopack.experiments.statistics.sequential import MIN_PLANS, e_value
from autopack.experiments.statistics.token_evidence import (
    MAX_FALSE,
    TokenEvidence,
    looks_alpha,
    success_side,
)
from autopack.experiments.verdicts.claims import (
    claim,
    numbers,
    rules_out,
    totals_clause,
    unfinished,
)
from autopack.experiments.verdicts.next_step import Next, next_step
from autopack.experiments.verdicts.wording import (
    count,
    p_value,
    percent,
    points,
    ratio_range,
)

if TYPE_CHECKING:
    from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
    from autopack.experiments.statistics.cost_per_success import CostPerSuccess
    from autopack.experiments.verdicts.success_axis import SuccessEvidence

__all__ = ["Decision", "Verdict", "decide"]

MAX_VOID_SHARE = 0.20
EQUIVALENCE = (1 / 1.1, 1.1)
# Fewer plans than this, and bootstraps and run-level success describe but do not show.
DESCRIPTIVE_BELOW = 50

Axes = tuple[ResourceAxis, SuccessAxis]
_OPEN: Axes = (ResourceAxis.UNCLEAR, SuccessAxis.UNCLEAR)


@dataclass(frozen=True)
class Verdict:
    """A decision, why, and the sentence a person reads first.

    ``also`` are weaker decisions that hold, too. ``rules_out`` is what the intervals exclude,
    ``totals_clause`` what is said where totals and geometric mean contradict each other.
    """

    decision: Decision
    reasons: tuple[str, ...]
    sentence: str
    next: Next
    axes: Axes = _OPEN
    also: tuple[Decision, ...] = ()
    rules_out: tuple[str, ...] = ()
    totals_clause: str | None = None


def decide(
    *,
    tokens: TokenEvidence,
    success: SuccessEvidence,
    n_pairs: int,
    n_void: int,
    protocol: AnalysisProtocol,
    cost: CostPerSuccess | None = None,
    totals_interval: Interval | None = None,
) -> Verdict:
    """Apply the rule: validity, size, then the cell of both axes, with the totals beside them.

    ``cost`` and ``totals_interval`` add to what is said and decide nothing.
    """
    plans = tokens.summary.n
    size = f"{count(n_pairs, 'pair')} of {count(plans, 'plan')}, {n_void} void"

    def step(decision: Decision, axes: Axes) -> Next:
        return next_step(
            decision,
            axes,
            tokens=tokens,
            success=success,
            n_pairs=n_pairs,
            n_void=n_void,
            protocol=protocol,
        )

    share = n_void / max(n_pairs + n_void, 1)
    if share > MAX_VOID_SHARE:
        reason = f"{n_void} of {n_pairs + n_void} pairs are void, {share:.0%}; at most 20% may be"
        decision = Decision.INVALID
        return Verdict(decision, (reason,), f"INVALID: {reason}.", step(decision, _OPEN))
    if plans < MIN_PLANS:
        reason = f"a verdict needs at least {MIN_PLANS} plans"
        return Verdict(
            Decision.INSUFFICIENT,
            (f"{reason}, there are {plans}",),
            f"INSUFFICIENT: {reason} ({numbers(tokens, success)}; {size}).",
            step(Decision.INSUFFICIENT, _OPEN),
        )
    ended = stopped_at(tokens, success)
    if not tokens.last_look and ended is None:
        e = e_value(tokens.monitoring.final_log_e)
        reason = (
            f"{len(tokens.monitoring.mean)} valid pairs of {protocol.max_pairs} planned: the "
            f"e-value is {e:.3g} and monitoring stops at {1 / looks_alpha(protocol):.3g}"
        )
        said = unfinished(protocol)
        decision = Decision.INCONCLUSIVE
        return Verdict(
            decision,
            (reason,),
            f"{decision}: {said} ({numbers(tokens, success)}; {size}).",
            step(decision, _OPEN),
            rules_out=rules_out(tokens, success, protocol),
        )
    by, reasons = resource_axis(tokens, protocol)
    of = success.axis(
        protocol.ni_margin,
        side=MAX_FALSE / 2,
        lower_side=success_side(protocol),
        margin_alpha=protocol.margin_alpha,
    )
    found = cell(
        by,
        of,
        bounded_above=success.not_superior(protocol.ni_margin, protocol.margin_alpha),
        total_saves=tokens.ratio_of_totals < 1,
    )
    axes = (by, of)
    clause = totals_clause(
        by, tokens.summary.ratio, tokens.ratio_of_totals, totals_interval, protocol
    )
    said = claim(found.decision, axes, tokens, success, cost, protocol)
    if clause is not None and found.decision is not Decision.MEDIAN_SAVES_TOTAL_DOES_NOT:
        said += f"; {clause}"
    if ended is not None and n_pairs + n_void < (protocol.max_pairs or 0):
        size += f", stopped early at {ended} of {protocol.max_pairs}"
    figures = numbers(tokens, success, of, protocol.margin_alpha)
    reasons = (*reasons, *([clause] if clause else []), *success_reasons(of, success, protocol))
    return Verdict(
        found.decision,
        reasons,
        f"{found.decision}: {said} ({figures}; {size}).",
        step(found.decision, axes),
        axes=axes,
        also=found.also,
        rules_out=rules_out(tokens, success, protocol),
        totals_clause=clause,
    )


def stopped_at(tokens: TokenEvidence, success: SuccessEvidence) -> int | None:
    """After how many pairs monitoring ended the experiment; None where it did not."""
    lost = success.lost_at if success.is_seen_lost else None
    return min((n for n in (tokens.stopped_at, lost) if n is not None), default=None)


def resource_axis(
    tokens: TokenEvidence, protocol: AnalysisProtocol
) -> tuple[ResourceAxis, tuple[str, ...]]:
    """Return what the resource of finished experiments shows, and why."""
    mean = tokens.summary.mean or 0.0
    if tokens.stopped_at is not None:
        reason = (
            f"after {tokens.stopped_at} of {protocol.max_pairs} planned pairs the e-value had "
            f"reached {1 / looks_alpha(protocol):.3g}, which settles it"
        )
        if mean * tokens.stopped_direction > 0:
            return (ResourceAxis.FEWER if mean < 0 else ResourceAxis.MORE), (reason,)
        return ResourceAxis.UNCLEAR, (reason, "the pairs after it point the other way")
    if not tokens.last_look:
        noun = resource(protocol.primary).noun
        return ResourceAxis.UNCLEAR, (f"the experiment ended before {noun} were settled",)
    flips, alpha = tokens.flips, tokens.side_alpha
    (lo, hi), skewed = _limits(tokens.test_interval), _limits(tokens.skew_interval)
    interval = f"the 95% interval is {ratio_range(tokens.reported)}"
    corrected = f"so is the one corrected for skewness, {ratio_range(tokens.skew_interval)}"
    needed = f"at most {alpha:g} as needed"
    if max(hi, skewed[1]) < 1 and flips.less is not None and flips.less <= alpha:
        return ResourceAxis.FEWER, (
            f"{interval}, wholly below 1; {corrected}; the sign-flip p for less is "
            f"{p_value(flips.less)}, {needed}",
        )
    if min(lo, skewed[0]) > 1 and flips.greater is not None and flips.greater <= alpha:
        return ResourceAxis.MORE, (
            f"{interval}, wholly above 1; {corrected}; the sign-flip p for more is "
            f"{p_value(flips.greater)}, {needed}",
        )
    lo, hi = _limits(tokens.equivalence_interval)
    level = percent(1 - 2 * protocol.margin_alpha)
    within = f"the {level} equivalence interval {ratio_range(tokens.equivalence_interval)}"
    if lo >= EQUIVALENCE[0] and hi <= EQUIVALENCE[1]:
        return ResourceAxis.SAME, (f"{within} lies within 1/1.1 to 1.1",)
    return ResourceAxis.UNCLEAR, (
        f"{interval}, corrected for skewness {ratio_range(tokens.skew_interval)}, with sign-flip p "
        f"{p_value(flips.less)} for less and {p_value(flips.greater)} for more: no difference is "
        f"shown at {alpha:.3g} a side",
        f"{within} does not lie within 1/1.1 to 1.1: equivalence is not shown either",
    )


def success_reasons(
    axis: SuccessAxis, success: SuccessEvidence, protocol: AnalysisProtocol
) -> tuple[str, ...]:
    """Return why success stands where it stands, by the endpoint that decided."""
    if success.diff is None:
        return ()
    margin = f"the margin of {100 * protocol.ni_margin:g} points"
    phases = success.endpoint == "phases"
    what = "phase completion" if phases else "success of whole runs"
    match axis:
        case SuccessAxis.MAINTAINED:
            told = [f"{what} is maintained within {margin}: {_limit(success, protocol)}"]
        case SuccessAxis.HIGHER:
            told = [f"more {'phases complete' if success.declared and phases else 'runs succeed'}"]
        case SuccessAxis.LOWER if success.is_seen_lost:
            told = [
                f"after {success.lost_at} pairs the e-value of a loss beyond {margin} had reached "
                f"{1 / LOSS_LOOKS:.3g}, which settles it"
            ]
        case SuccessAxis.LOWER:
            told = [f"success is lower by more than {margin}, with the whole of an interval"]
        case SuccessAxis.UNCLEAR if success.nothing_succeeded:
            told = ["nothing succeeded in either arm, so nothing could be lost or maintained"]
        case SuccessAxis.UNCLEAR if success.not_inferior(protocol.ni_margin, protocol.margin_alpha):
            told = [
                f"{what} is maintained within {margin}: {_limit(success, protocol)}",
                "but fewer runs succeed, which the margin does not excuse",
            ]
        case SuccessAxis.UNCLEAR:
            told = [f"{what} may be lower by more than {margin}: {_limit(success, protocol)}"]
    lo, hi = success.runs.limits(0.95)
    if success.outcomes.diff is not None and math.isfinite(lo) and math.isfinite(hi):
        told.append(
            f"success of whole runs differs by {points(success.runs.diff or 0)} points (95% "
            f"interval {points(lo)} to {points(hi)}; McNemar mid-p {p_value(success.mid_p)})"
        )
    if success.phases is None and len(success.runs.differences) < DESCRIPTIVE_BELOW:
        told.append(
            "phase completion was not given and success of whole runs stands in for it: below "
            f"{DESCRIPTIVE_BELOW} plans only large differences can be seen"
        )
    return tuple(told)


def error_split(protocol: AnalysisProtocol) -> ErrorSplit:
    """Return how often each statement of this protocol may be false."""
    if not protocol.monitored:
        return ErrorSplit(margin=protocol.margin_alpha)
    return ErrorSplit(
        margin=protocol.margin_alpha,
        looks=looks_alpha(protocol),
        last_look=MAX_FALSE - looks_alpha(protocol),
        loss_looks=LOSS_LOOKS,
    )


def _limit(success: SuccessEvidence, protocol: AnalysisProtocol) -> str:
    """Return the one-sided limit that decides about the margin, and what it is by."""
    alpha = protocol.margin_alpha
    lowest = success.main.limits(1 - 2 * alpha)[0]
    if success.diff is None or math.isinf(lowest):
        return "there is no limit yet"
    over = ""
    if success.score_lower is not None and success.score_lower < (success.lower or math.inf):
        single = "runs" if success.main.outcomes == success.runs.outcomes else "phases"
        over = f" by the outcomes of single {single}"
    return (
        f"it differs by {points(success.diff)} points, "
        f"one-sided {percent(1 - alpha)} limit {points(lowest)}{over}"
    )


def _limits(interval: Interval) -> tuple[float, float]:
    lo, hi = interval.lo, interval.hi
    return -math.inf if lo is None else lo, math.inf if hi is None else hi
