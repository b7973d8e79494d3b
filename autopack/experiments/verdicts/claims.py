"""What a cell of the matrix claims, in sentences that stand alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autopack.experiments.pairs.resource import resource
from autopack.experiments.shapes.analysis_protocol import STRICT
from autopack.experiments.shapes.matrix import Decision, ResourceAxis, SuccessAxis
from autopack.experiments.verdicts.next_step import is_open_above
from autopack.experiments.verdicts.wording import percent, points, ratio_range
from autopack.model.counted import dollars

if TYPE_CHECKING:
    from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
    from autopack.experiments.statistics.cost_per_success import CostPerSuccess
    from autopack.experiments.statistics.log_ratio import Interval
    from autopack.experiments.statistics.token_evidence import TokenEvidence
    from autopack.experiments.verdicts.success_axis import SuccessEvidence

# Where resources are open, sums and geometric mean are told apart from this difference on.
_TENTH = math.log(1.1)


def claim(
    decision: Decision,
    axes: tuple[ResourceAxis, SuccessAxis],
    tokens: TokenEvidence,
    success: SuccessEvidence,
    cost: CostPerSuccess | None,
    protocol: AnalysisProtocol,
) -> str:
    """Return what is shown, on both axes; success first where it is the news."""
    by, of = axes
    spent, succeeded = _resource_claim(by, tokens, protocol), _success_claim(of, success, protocol)
    if decision is Decision.MEDIAN_SAVES_TOTAL_DOES_NOT:
        less = resource(protocol.primary).less
        return f"{spent}, but not {less} over all plans together; {succeeded}"
    match of:
        case SuccessAxis.LOWER:
            return f"{succeeded}; {spent}"
        case SuccessAxis.HIGHER if by is ResourceAxis.MORE:
            return f"{succeeded} and {spent}{_price(cost, protocol)}"
        case SuccessAxis.HIGHER if by in (ResourceAxis.FEWER, ResourceAxis.SAME):
            return f"{spent} and {succeeded}"
        case SuccessAxis.MAINTAINED if is_open_above(decision, axes):
            margin = f"{100 * protocol.ni_margin:g} points or more"
            return f"{spent} and {succeeded}, but it may also be higher by {margin}"
        case SuccessAxis.MAINTAINED if by is not ResourceAxis.UNCLEAR:
            return f"{spent} and {succeeded}"
        case SuccessAxis.UNCLEAR if by is ResourceAxis.FEWER:
            return f"{spent}, but {succeeded}"
        case _:
            return f"{spent}; {succeeded}"


def unfinished(protocol: AnalysisProtocol) -> str:
    """Return what is said while pairs still run."""
    noun = resource(protocol.primary).noun
    return f"no difference in {noun} is shown yet, and {protocol.max_pairs} pairs are planned"


def _resource_claim(axis: ResourceAxis, tokens: TokenEvidence, protocol: AnalysisProtocol) -> str:
    words = resource(protocol.primary)
    ratio = tokens.summary.ratio or math.nan
    match axis:
        case ResourceAxis.FEWER:
            return f"the treatment needs {1 - ratio:.1%} {words.less} {words.noun} per plan"
        case ResourceAxis.MORE:
            return f"the treatment needs {ratio - 1:.1%} more {words.noun} per plan"
        case ResourceAxis.SAME:
            return f"the treatment needs the same {words.noun} per plan to within a tenth"
        case ResourceAxis.UNCLEAR:
            return f"no difference in {words.noun} is shown"


def _success_claim(axis: SuccessAxis, success: SuccessEvidence, protocol: AnalysisProtocol) -> str:
    phases = success.endpoint == "phases"
    what = "phases complete" if phases and success.declared else "runs succeed"
    match axis:
        case SuccessAxis.HIGHER:
            return f"more {what}"
        case SuccessAxis.MAINTAINED:
            return "success is maintained"
        case SuccessAxis.LOWER:
            return f"success is lost: {fewer_succeed(success, protocol.ni_margin)}"
        case SuccessAxis.UNCLEAR if success.main.none_succeeded and success.outcomes.n:
            return f"no {'phase' if phases else 'run'} of either arm succeeded"
        case SuccessAxis.UNCLEAR:
            return "it is not shown that success is maintained"


def fewer_succeed(success: SuccessEvidence, margin: float) -> str:
    """By how much success fell, and that it is more than the margin."""
    runs, main = success.runs, success.main
    lost_runs = runs.limits(0.95)[1] < -margin or (runs.diff or 0) < (main.diff or 0)
    one, what = (runs, "runs succeed") if lost_runs else (main, "phases complete")
    return (
        f"{100 * -(one.diff or 0):.1f} points fewer {what}, beyond the margin of {100 * margin:g}"
    )


def _price(cost: CostPerSuccess | None, protocol: AnalysisProtocol) -> str:
    """Return the price of one more success, where there is one."""
    if cost is None or cost.per_further_success is None:
        return ""
    return f", {amount(cost.per_further_success, protocol.primary)} for each further success"


def amount(value: float, primary: str) -> str:
    """Return an amount of the unit: ``12,000 tokens``, ``$0.12``."""
    return f"{value:,.0f} tokens" if primary == "tokens" else dollars(value)


def totals_clause(
    axis: ResourceAxis,
    ratio: float | None,
    totals: float,
    totals_interval: Interval | None,
    protocol: AnalysisProtocol,
) -> str | None:
    """Return what is added where all plans together say otherwise than the typical plan; else None.

    Fewer or more: the totals point the other way. The same: they differ by over a tenth. Open:
    they point the other way by over a tenth, or the interval of the totals excludes 1.
    """
    if ratio is None or not math.isfinite(totals) or totals <= 0:
        return None
    typical, summed = math.log(ratio), math.log(totals)
    match axis:
        case ResourceAxis.FEWER:
            contradicts = summed >= 0
        case ResourceAxis.MORE:
            contradicts = summed <= 0
        case ResourceAxis.SAME:
            contradicts = abs(summed) > _TENTH
        case ResourceAxis.UNCLEAR:
            opposite = typical * summed < 0 and abs(summed - typical) > _TENTH
            contradicts = opposite or _excludes_one(totals_interval)
    if not contradicts:
        return None
    words = resource(protocol.primary)
    change = (
        f"{1 - totals:.1%} {words.less}" if totals < 1 else f"{totals - 1:.1%} more"
    ) + f" {words.noun}"
    return (
        f"all plans together need {change} (ratio of totals {totals:.3f}), which the typical "
        "plan does not show: in a sum, large plans weigh most"
    )


def _excludes_one(interval: Interval | None) -> bool:
    if interval is None or interval.lo is None or interval.hi is None:
        return False
    return interval.lo > 1 or interval.hi < 1


def numbers(
    tokens: TokenEvidence,
    success: SuccessEvidence,
    axis: SuccessAxis = SuccessAxis.UNCLEAR,
    margin_alpha: float = STRICT,
) -> str:
    """Ratio and difference with the limits that decided."""
    ratio = tokens.summary.ratio
    told = f"ratio {ratio:.3f}" if ratio is not None else "no ratio"
    told += f", 95% interval {ratio_range(tokens.reported)}"
    if success.diff is None:
        return told
    told += f"; success {points(success.diff)} points"
    if axis is SuccessAxis.MAINTAINED and margin_alpha != STRICT:
        lowest = success.main.limits(1 - 2 * margin_alpha)[0]
        return f"{told}, at least {points(lowest)} with {percent(1 - margin_alpha)} confidence"
    lo, hi = success.main.limits(0.95)
    open_ = math.isinf(lo) or math.isinf(hi)
    return f"{told}, 95% interval {'still open' if open_ else f'{points(lo)} to {points(hi)}'}"


def rules_out(
    tokens: TokenEvidence, success: SuccessEvidence, protocol: AnalysisProtocol
) -> tuple[str, ...]:
    """Return what the 95% intervals leave impossible, one clause an axis."""
    return tuple(
        text
        for text in (_resource_ruled_out(tokens, protocol), _success_ruled_out(success))
        if text
    )


def _resource_ruled_out(tokens: TokenEvidence, protocol: AnalysisProtocol) -> str | None:
    lo, hi = tokens.reported.lo, tokens.reported.hi
    noun = resource(protocol.primary).noun
    if lo is None or hi is None:
        return None
    if hi < 1:
        return f"a saving of less than {1 - hi:.1%} or of more than {1 - lo:.1%} in {noun} per plan"
    if lo > 1:
        return (
            f"an increase of less than {lo - 1:.1%} or of more than {hi - 1:.1%} in {noun} per plan"
        )
    return (
        f"a saving of more than {1 - lo:.1%} and an increase of more than {hi - 1:.1%} in {noun} "
        "per plan"
    )


def _success_ruled_out(success: SuccessEvidence) -> str | None:
    lo, hi = (100 * limit for limit in success.main.limits(0.95))
    if math.isinf(lo) or math.isinf(hi):
        return None
    what = "phases that complete" if success.endpoint == "phases" else "runs that succeed"
    # Nobody needs to be told that more than all is impossible.
    if lo > 0:
        most = f" or of more than {hi:.1f}" if hi < 100 else ""
        return f"a gain of less than {lo:.1f}{most} points in {what}"
    if hi < 0:
        most = f" or of more than {-lo:.1f}" if lo > -100 else ""
        return f"a loss of less than {-hi:.1f}{most} points in {what}"
    return f"a loss of more than {-lo:.1f} and a gain of more than {hi:.1f} points in {what}"
