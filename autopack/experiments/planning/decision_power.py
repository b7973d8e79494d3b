"""Planning for the whole verdict: how likely each decision is, by simulation of the very rule.

A scenario says what is taken to be true. Experiments are drawn from it and decided as real ones
are, so that what is promised is what happens when the truth is as stated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from autopack.experiments.planning.batch import (
    DECISIONS,
    RESOURCES,
    SUCCESSES,
    Rows,
    decide_rows,
)
from autopack.experiments.planning.batch_success import SuccessRows
from autopack.experiments.shapes.matrix import (
    CELLS,
    Decision,
    ResourceAxis,
    SuccessAxis,
)
from autopack.experiments.statistics.sequential import MIN_PLANS
from autopack.model.errors import BadInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol

    Floats = NDArray[np.float64]

# Where nothing is said of success: published agents on the same 500 tasks.
USUAL_DISCORDANCE = 0.24
USUAL_RATE = 0.7
MOST_PAIRS = 20_000
_SEARCH, _SHOWN, _FINAL = 1_000, 2_000, 8_000
_CELLS_AT_ONCE = 1_000_000
_MOST_CELLS = 8_000_000


@dataclass(frozen=True)
class Scenario:
    """What is taken to be true of one pair a plan.

    ``ratio`` and ``sd`` are of the log-normal ratio of resources, ``difference`` is the success
    rate of treatment minus that of control, ``discordance`` the share of pairs in which one arm
    alone succeeds. With more than one of ``phases``, both are about single phases, a run succeeds
    when all of them do, and phase completion decides. Raises BadInput for what cannot be true.
    """

    ratio: float
    sd: float
    difference: float = 0.0
    discordance: float = USUAL_DISCORDANCE
    control_rate: float = USUAL_RATE
    phases: int = 1

    def __post_init__(self) -> None:
        for name, value, good, hint in (
            ("ratio", self.ratio, 0 < self.ratio < math.inf, "a positive number, such as 0.8"),
            ("sd", self.sd, 0 < self.sd < math.inf, "the SD of ln(treatment / control)"),
            ("success_difference", self.difference, -1 < self.difference < 1, "such as -0.05"),
            (
                "discordance",
                self.discordance,
                abs(self.difference) <= self.discordance <= 1,
                "at least the size of the success difference, at most 1",
            ),
            ("control_rate", self.control_rate, 0 <= self.control_rate <= 1, "from 0 to 1"),
            ("phases", self.phases, 1 <= self.phases <= 100, "from 1 to 100"),
        ):
            if not good:
                raise BadInput(
                    f"{name} {value:g} cannot be planned for", field=name, hint=f"give {hint}"
                )

    def outcomes(self) -> tuple[float, float, float, float]:
        """Return the shares of both, control only, treatment only, neither.

        The rate of control moves as little as the discordance needs.
        """
        lost, won = (self.discordance + sign * self.difference for sign in (-1, 1))
        lost, won = lost / 2, won / 2
        both = min(max(self.control_rate - lost, 0.0), 1 - lost - won)
        return both, lost, won, max(1 - both - lost - won, 0.0)


@dataclass(frozen=True)
class Chances:
    """What comes of ``pairs`` pairs: how likely each decision is, and each axis being right."""

    pairs: int
    decisions: dict[Decision, float]
    goal: float
    resource: float
    success: float


@dataclass(frozen=True)
class VerdictPlan:
    """How many pairs the whole verdict needs in a scenario.

    ``pairs`` is the smallest number whose chance of a decision in ``goal`` reaches ``target``,
    None where no number up to 20,000 does. ``bottleneck`` is the axis that is settled less often
    there. ``by_pairs`` has a few sizes in order, ``pairs`` among them. ``min_pairs`` is what a
    monitored experiment should declare, so that it does not end before success can be judged.
    """

    scenario: Scenario
    goal: tuple[Decision, ...]
    target: float
    pairs: int | None
    bottleneck: Literal["resources", "success"]
    min_pairs: int | None = None
    by_pairs: list[Chances] = field(default_factory=list[Chances])


def goal_of(scenario: Scenario, margin: float) -> tuple[Decision, ...]:
    """Return the decisions that are right where the scenario is true."""
    resource, success = _truth(scenario, margin)
    found = [CELLS[resource, one].decision for one in success]
    return tuple(dict.fromkeys(found))


def chances(
    scenario: Scenario,
    pairs: int,
    protocol: AnalysisProtocol,
    *,
    goal: Sequence[Decision] = (),
    repetitions: int = _FINAL,
    seed: int = 0,
) -> Chances:
    """Return how likely each decision is after ``pairs`` pairs."""
    wanted = tuple(goal) or goal_of(scenario, protocol.ni_margin)
    limits: dict[str, int | None] = {"max_pairs": pairs if protocol.monitored else None}
    if protocol.min_pairs is not None:
        limits["min_pairs"] = min(protocol.min_pairs, pairs)
    said = protocol.model_copy(update=limits)
    repetitions = max(200, min(repetitions, _MOST_CELLS // pairs))
    rows_at_once = max(1, _CELLS_AT_ONCE // pairs)
    random = np.random.default_rng([seed, pairs])
    resource, success = _truth(scenario, protocol.ni_margin)
    right = [SUCCESSES.index(one) for one in success]
    counts = np.zeros(len(DECISIONS))
    resource_right, success_right = 0, 0
    for done in range(0, repetitions, rows_at_once):
        rows = draw(scenario, min(rows_at_once, repetitions - done), pairs, random)
        decided = decide_rows(rows, said, seed=seed)
        counts += np.bincount(decided.decision, minlength=len(DECISIONS))
        resource_right += int((decided.resource == RESOURCES.index(resource)).sum())
        success_right += int(np.isin(decided.success, right).sum())
    share = dict(zip(DECISIONS, (counts / repetitions).tolist(), strict=True))
    enough = pairs >= MIN_PLANS
    return Chances(
        pairs=pairs,
        decisions={decision: chance for decision, chance in share.items() if chance > 0},
        goal=sum(share[one] for one in wanted),
        resource=resource_right / repetitions if enough else 0.0,
        success=success_right / repetitions if enough else 0.0,
    )


def plan_verdict(
    scenario: Scenario,
    protocol: AnalysisProtocol,
    *,
    target: float,
    pairs: int | None = None,
    goal: Sequence[Decision] = (),
    seed: int = 0,
) -> VerdictPlan:
    """Return the smallest number of pairs for the whole verdict, and what ``pairs`` would give."""
    if not 0 < target < 1:
        raise BadInput(
            f"a power of {target:g} cannot be had", field="power", hint="give it as 0.8 or 0.9"
        )
    wanted = tuple(goal) or goal_of(scenario, protocol.ni_margin)
    least = MIN_PLANS
    if protocol.monitored:
        once = protocol.model_copy(update={"monitored": False, "max_pairs": None})

        def success_settles(size: int) -> bool:
            seen = chances(scenario, size, once, repetitions=_SEARCH, seed=seed)
            return seen.success >= target + (1 - target) / 4

        least = _smallest(success_settles, MIN_PLANS) or MOST_PAIRS
        protocol = protocol.model_copy(update={"min_pairs": least})

    def chance(size: int, repetitions: int = _SEARCH) -> Chances:
        return chances(scenario, size, protocol, goal=wanted, repetitions=repetitions, seed=seed)

    needed = _smallest(lambda size: chance(size).goal >= target, least)
    if needed is not None:
        needed = _settle(needed, lambda size: chance(size, _FINAL).goal >= target)
    sizes = {MIN_PLANS, 20, 50, 100}
    sizes |= {size for size in (needed, pairs) if size is not None}
    promised = {needed, pairs}
    shown = [chance(size, _FINAL if size in promised else _SHOWN) for size in sorted(sizes)]
    at = next(one for one in reversed(shown) if needed is None or one.pairs == needed)
    return VerdictPlan(
        scenario=scenario,
        goal=wanted,
        target=target,
        pairs=needed,
        bottleneck="success" if at.success < at.resource else "resources",
        min_pairs=least if protocol.monitored and needed is not None else None,
        by_pairs=shown,
    )


def draw(scenario: Scenario, repetitions: int, pairs: int, random: np.random.Generator) -> Rows:
    """Experiments in which the scenario is true."""
    shape = (repetitions, pairs)
    own = scenario.sd / math.sqrt(2)
    task, first, second = random.standard_normal((3, *shape))
    control = np.exp(own * (task + first))
    treatment = scenario.ratio * np.exp(own * (task + second))
    shares = scenario.outcomes()
    if scenario.phases == 1:
        drawn = random.random(shape)
        both, lost = drawn < shares[0], drawn < shares[0] + shares[1]
        won = ~lost & (drawn < shares[0] + shares[1] + shares[2])
        return Rows(control, treatment, SuccessRows(lost, both | won))
    drawn = random.multinomial(scenario.phases, shares, size=shape)
    n11, n10, n01, n00 = (drawn[..., k].astype(np.int64) for k in range(4))
    succeeds = SuccessRows(n01 + n00 == 0, n10 + n00 == 0, (n11, n10, n01, n00))
    return Rows(control, treatment, succeeds)


def _truth(scenario: Scenario, margin: float) -> tuple[ResourceAxis, tuple[SuccessAxis, ...]]:
    """Return what an analysis should find; a gain may also be found to be no loss."""
    ratio, difference = scenario.ratio, scenario.difference
    resource = ResourceAxis.FEWER if ratio < 1 else ResourceAxis.MORE
    if ratio == 1:
        resource = ResourceAxis.SAME
    if difference <= -margin:
        return resource, (SuccessAxis.LOWER,)
    if difference > 0:
        return resource, (SuccessAxis.HIGHER, SuccessAxis.MAINTAINED)
    return resource, (SuccessAxis.MAINTAINED,)


def _smallest(enough: _Enough, least: int) -> int | None:
    """Return the smallest size from ``least`` on that is enough, to within a few percent."""
    low, high = least - 1, least
    while not enough(high):
        if high >= MOST_PAIRS:
            return None
        low, high = high, min(high * 2, MOST_PAIRS)
    while high - low > max(1, high // 40):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _settle(size: int, enough: _Enough) -> int:
    """Return the size near ``size`` that is enough when looked at closely, by steps of 2%."""
    for _ in range(12):
        if enough(size):
            return size
        size += max(1, size // 50)
    return size


if TYPE_CHECKING:
    from collections.abc import Callable

    _Enough = Callable[[int], bool]
