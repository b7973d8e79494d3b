"""What an operator should know of an experiment before its first pair is paid for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autopack.context.intention import for_builder
from autopack.experiments.recorded.exposure import RECORD_ONLY
from autopack.experiments.shapes.analysis_protocol import STRICT
from autopack.experiments.statistics.sequential import EFFECT_VARIANCE, MIN_PLANS, STOPPING_E
from autopack.model.features import Feature, kill_switches
from autopack.model.fingerprint import Treatment
from autopack.settings import process_environment

if TYPE_CHECKING:
    from autopack.experiments.design.registration import Registered

# A budget of which so much can never be used is worth a word.
_LEAST_USABLE = 0.5
# What "within the margin" may be wrong by the weaker convention of non-inferiority.
_CONVENTION = 0.05


def cautions(registered: Registered) -> list[str]:
    """Return each in one line, the gravest first."""
    return [
        *registered.notes,
        *_about_plans(registered),
        *_about_the_treatment(registered),
        *_about_success(registered),
        *_about_the_budget(registered),
    ]


def phases_needed(margin: float, alpha: float = STRICT) -> int:
    """Return how many phases (or runs) must succeed in both arms for "maintained"."""
    from autopack.experiments.statistics.exact_margin import alike_needed  # half a second

    return alike_needed(margin, alpha)


def smallest_margin(number: int, alpha: float = STRICT) -> float:
    """Return the margin, in whole points, in which ``number`` phases that all succeed suffice."""
    points = 1
    while points < 99 and phases_needed(points / 100, alpha) > number:
        points += 1
    return points / 100


def fewest_to_stop() -> int:
    """Return how many plans monitoring needs before any result can end an experiment early.

    With n plans whose ratios are all alike, the e-value is (1 + n g)^((n - 1) / 2).
    """
    n = MIN_PLANS
    while (1 + n * EFFECT_VARIANCE) ** ((n - 1) / 2) < STOPPING_E:
        n += 1
    return n


def _about_plans(registered: Registered) -> Iterator[str]:
    plans, pairs = _plans(registered), registered.declared.planned
    if plans < MIN_PLANS:
        yield (
            f"a verdict needs at least {MIN_PLANS} plans and this experiment has {plans}: "
            "it can only end INSUFFICIENT"
        )
    elif plans < fewest_to_stop():
        yield (
            f"{plans} plans can never stop early, whatever they show: monitoring needs at least "
            f"{fewest_to_stop()}, so all {pairs} pairs will run"
        )


def _about_success(registered: Registered) -> Iterator[str]:
    declared, protocol = registered.declared, registered.protocol
    needed = phases_needed(declared.ni_margin, protocol.margin_alpha)
    # A plan counts once, however often it is run: its replicates share what is hard about it.
    if protocol.success_endpoint == "runs":
        what, has = "plans", _plans(registered)
    else:
        sizes = sorted((len(plan.phases) for plan in registered.plans.values()), reverse=True)
        what, has = "phases", sum(sizes[: declared.planned])
    if has < needed:
        margin = smallest_margin(has, protocol.margin_alpha)
        usual = phases_needed(declared.ni_margin, _CONVENTION)
        weaker = f" ({usual} with margin_alpha: {_CONVENTION})" if usual < needed else ""
        yield (
            f"success can never be shown to be maintained: within a margin of "
            f"{declared.ni_margin:g} that takes {needed} {what}{weaker}, and this experiment has "
            f"{has}; "
            f"add plans, or declare a margin of {margin:.2f} or more"
        )


def _about_the_treatment(registered: Registered) -> Iterator[str]:
    if not registered.differs:
        yield "the arms do not differ: this compares the agent with itself"
    if Treatment.FEATURES not in registered.differs:
        return
    arms = [registered.arms[name] for name in ("control", "treatment")]
    plans = list(registered.plans.values())
    listed = {Feature(name) for plan in plans for name in plan.features}
    one, other = (listed if arm.features is None else set(arm.features) for arm in arms)
    for feature in sorted(one ^ other):
        if feature in RECORD_ONLY:
            yield f"{feature} only records: having it on changes nothing that an agent does"
        elif feature is Feature.PLAN_NORMALIZATION:
            yield f"{feature} can never act: it makes plans from text, and these are written"
        elif feature is Feature.INTENTION_CONTEXT:
            told = sum(
                for_builder(plan.goal, plan.success_criteria, plan.non_goals) is not None
                for plan in plans
            )
            if told < len(plans):
                yield (
                    f"{feature} tells agents something in {told} of {len(plans)} plans: the others "
                    "have neither success_criteria nor non_goals"
                )


def _about_the_budget(registered: Registered) -> Iterator[str]:
    off = {feature for feature, is_off in kill_switches(process_environment()).items() if is_off}
    for name in sorted(off & {Feature(n) for p in registered.plans.values() for n in p.features}):
        yield f"{name} is listed by plans and forced off by {name.variable}"
    cap = registered.limits.tokens
    if cap is None:
        return
    most = registered.most_of_a_pair()
    if (usable := max(cap - most, 0) / cap) < _LEAST_USABLE:
        yield (
            f"a pair sets aside {most:,} tokens until it has ended, so none begins once "
            f"{usable:.0%} of the budget of {cap:,} are spent; give both arms a budget nearer to "
            "what a run needs, such as both: {budget: {tokens: N}}, or raise budget.tokens"
        )


def _plans(registered: Registered) -> int:
    return min(len(registered.plans), registered.declared.planned)
