"""What to do next: how many further pairs would settle what, or that none will."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopack.experiments.pairs.resource import resource
from autopack.experiments.shapes.matrix import Decision, ResourceAxis, SuccessAxis
from autopack.experiments.statistics.exact_margin import alike_needed
from autopack.experiments.statistics.power import pairs_needed
from autopack.experiments.statistics.sequential import MIN_PLANS
from autopack.experiments.verdicts.wording import count

if TYPE_CHECKING:
    from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
    from autopack.experiments.statistics.token_evidence import TokenEvidence
    from autopack.experiments.verdicts.success_axis import SuccessEvidence

# More than this nobody runs to settle a question that so many pairs left open.
MOST_FURTHER = 10_000
_MOST_QUOTIENT = 1e6
_POWER, _SIDE, _TOST = 0.8416212335729143, 1.959963984540054, 1.2815515655446004


@dataclass(frozen=True)
class Next:
    """``further_pairs`` settle both axes with a chance of 80% if things stay as they were seen.

    ``resource_pairs`` and ``success_pairs`` are those of one axis: 0 where it is settled, None
    where no number below ten thousand will do it.
    """

    text: str
    further_pairs: int | None
    resource_pairs: int | None
    success_pairs: int | None


def next_step(
    decision: Decision,
    axes: tuple[ResourceAxis, SuccessAxis],
    *,
    tokens: TokenEvidence,
    success: SuccessEvidence,
    n_pairs: int,
    n_void: int,
    protocol: AnalysisProtocol,
) -> Next:
    """Say what would settle what is open."""
    plans = tokens.summary.n
    if decision is Decision.INVALID:
        return Next("Remove what makes pairs void and run these again.", None, None, None)
    if decision is Decision.INSUFFICIENT:
        missing = MIN_PLANS - plans
        text = (
            f"Run at least {count(missing, 'further plan')}: a verdict needs {MIN_PLANS} plans, "
            "and more pairs of the same plans do not replace them."
        )
        return Next(text, missing, missing, None)
    by, of = axes
    if not tokens.last_look and tokens.stopped_at is None and of is not SuccessAxis.LOWER:
        left = max((protocol.max_pairs or 0) - n_pairs - n_void, 0)
        text = f"Continue: up to {count(left, 'planned pair')} remain; monitoring may stop earlier."
        return Next(text, left, None, None)
    for_resource = 0 if by is not ResourceAxis.UNCLEAR else _resource_pairs(tokens, protocol)
    for_success = 0 if of is not SuccessAxis.UNCLEAR else _success_pairs(success, protocol)
    may_be_higher = is_open_above(decision, axes)
    if may_be_higher:
        for_success = _bounding_pairs(success, protocol)
    both = None if for_resource is None or for_success is None else max(for_resource, for_success)
    if may_be_higher:
        text = _of_a_gain(for_success)
    else:
        text = _text(axes, for_resource, for_success, success, protocol)
    return Next(text, both, for_resource, for_success)


def is_open_above(decision: Decision, axes: tuple[ResourceAxis, SuccessAxis]) -> bool:
    """Return whether all that is missing for EQUIVALENT is that success is not higher either."""
    return decision is Decision.INCONCLUSIVE and axes == (ResourceAxis.SAME, SuccessAxis.MAINTAINED)


def _of_a_gain(needed: int | None) -> str:
    if needed is None:
        return (
            f"Fewer than {MOST_FURTHER:,} further pairs will not settle whether success is higher."
        )
    return (
        f"About {count(needed, 'further pair')} of other plans would settle whether success is "
        "higher, or the same on both sides, with a chance of 80%, if things stay as they were seen."
    )


def _bounding_pairs(success: SuccessEvidence, protocol: AnalysisProtocol) -> int | None:
    """Further plans to show that success is higher, or not higher by the margin either."""
    main, diff, margin = success.main, success.diff, protocol.ni_margin
    n = len(main.differences)
    if diff is None or n < 2:
        return None
    variance = float(main.differences.var(ddof=1))
    wanted: list[int | None] = []
    if diff > 0:
        wanted.append(_needed(variance, (_SIDE + _POWER) / diff))
    if diff < margin:
        quantile = _quantile(protocol.margin_alpha) + _POWER
        wanted.append(_needed(variance, quantile / (margin - diff)))
    return _further(n, wanted)


def _text(
    axes: tuple[ResourceAxis, SuccessAxis],
    for_resource: int | None,
    for_success: int | None,
    success: SuccessEvidence,
    protocol: AnalysisProtocol,
) -> str:
    by, of = axes
    noun = resource(protocol.primary).noun
    if by is not ResourceAxis.UNCLEAR and of is not SuccessAxis.UNCLEAR:
        return (
            "Nothing is open: both axes are settled, and further pairs only narrow the intervals."
        )
    if of is SuccessAxis.LOWER:
        return "No further pairs are needed: that success is lost is settled."
    told: list[str] = []
    for open_, needed, question in (
        (by is ResourceAxis.UNCLEAR, for_resource, f"the question of {noun}"),
        (of is SuccessAxis.UNCLEAR, for_success, "the question of success"),
    ):
        if not open_:
            continue
        if needed is None:
            told.append(f"{_why_none(question, of, success)}")
        else:
            told.append(
                f"about {count(needed, 'further pair')} of other plans would settle {question} "
                "with a chance of 80%"
            )
    text = "; ".join(told)
    return f"{text[0].upper()}{text[1:]}, if things stay as they were seen."


def _why_none(question: str, of: SuccessAxis, success: SuccessEvidence) -> str:
    if "success" in question and success.main.none_succeeded:
        return f"no number of pairs settles {question} while nothing succeeds: use easier plans"
    return f"fewer than {MOST_FURTHER:,} further pairs will not settle {question}"


def _resource_pairs(tokens: TokenEvidence, protocol: AnalysisProtocol) -> int | None:
    """Further plans to show a difference, or sameness, at the estimates seen."""
    n, mean, sd = tokens.summary.n, tokens.summary.mean, tokens.summary.sd
    if mean is None or not sd:
        return None
    level = 2 * tokens.side_alpha
    wanted = [pairs_needed(math.exp(mean), sd, level=level)] if mean else []
    room = math.log(1.1) - abs(mean)
    if room > 0:
        quantile = _quantile(protocol.margin_alpha) + _TOST
        wanted.append(_needed(sd**2, quantile / room))
    return _further(n, wanted)


def _success_pairs(success: SuccessEvidence, protocol: AnalysisProtocol) -> int | None:
    """Further plans to show that success is maintained, lower or higher, at the rates seen."""
    main, diff, margin = success.main, success.diff, protocol.ni_margin
    n = len(main.differences)
    if diff is None or n < 2 or main.none_succeeded:
        return None
    variance = float(main.differences.var(ddof=1))
    single = main.outcomes.n / n if main.outcomes is not None else 1.0
    wanted: list[int | None] = []
    if diff > -margin and success.runs_direction >= 0:
        ni = _quantile(protocol.margin_alpha)
        by_spread = _needed(variance, (ni + _POWER) / (diff + margin))
        if by_spread is not None:
            alike = alike_needed(margin, protocol.margin_alpha)
            wanted.append(max(by_spread, math.ceil(alike / max(single, 1.0))))
    if diff < -margin:
        wanted.append(_needed(variance, (_SIDE + _POWER) / (diff + margin)))
    if diff > 0:
        wanted.append(_needed(variance, (_SIDE + _POWER) / diff))
    return _further(n, wanted)


def _needed(variance: float, quotient: float) -> int | None:
    """Return how many plans show an effect; None where its distance from the margin is nothing."""
    return None if abs(quotient) > _MOST_QUOTIENT else math.ceil(variance * quotient**2)


def _further(n: int, wanted: list[int | None]) -> int | None:
    """Return how many more than ``n`` the easiest of several questions needs; at least one."""
    possible = [max(number - n, 1) for number in wanted if number is not None]
    least = min(possible, default=None)
    return None if least is None or least > MOST_FURTHER else least


def _quantile(alpha: float) -> float:
    from scipy import special

    return float(special.ndtri(1 - alpha))
