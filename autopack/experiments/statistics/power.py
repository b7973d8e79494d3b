"""How many pairs a question needs, and what a number of pairs can answer.

Exact for the paired t test of log ratios (noncentral t, both tails; equals R's
``power.t.test(type = "paired", strict = TRUE)``). A monitored experiment stops earlier when the
effect is larger than planned, and loses little when it is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy import special

from autopack.experiments.statistics.roots import root
from autopack.experiments.statistics.sequential import MIN_PLANS, MONITORING_ALPHA
from autopack.model.errors import BadInput

TARGET_POWER = 0.8
LEVEL = 0.05
USUAL_RATIOS = (0.9, 0.8, 0.7, 0.6, 0.5)
MOST_PAIRS = 1_000_000
MOST_SD = 20
"""Of a log ratio: beyond, ratios of simulated pairs leave what a float holds."""


@dataclass(frozen=True)
class PowerPlan:
    """Pairs needed for each ratio at an SD of the log ratio, and what ``pairs`` can see.

    A ratio maps to None when it needs over a million pairs. ``smallest_saving`` is the ratio
    nearest to 1 that ``pairs`` would show with the target power when they are looked at once,
    ``smallest_saving_monitored`` when they are watched and all of them are needed. Both are
    None below the seven plans of a verdict.
    """

    sd: float
    power: float
    level: float
    pairs_for: dict[float, int | None]
    pairs: int | None
    smallest_saving: float | None
    smallest_saving_monitored: float | None


def plan_power(
    sd: float, ratios: Sequence[float] = USUAL_RATIOS, pairs: int | None = None
) -> PowerPlan:
    """Plan pairs before anything is spent; raises BadInput for an impossible question."""
    _check_sd(sd)
    for ratio in ratios:
        if not (0 < ratio < math.inf) or ratio == 1:
            raise BadInput(
                f"ratio {ratio:g} cannot be planned for",
                field="ratio",
                hint="give treatment / control as a positive number other than 1, such as 0.8",
            )
    if pairs is not None and not 2 <= pairs <= MOST_PAIRS:
        raise BadInput(
            f"{pairs} pairs cannot be planned",
            field="pairs",
            hint=f"give a number from 2 to {MOST_PAIRS:,}",
        )
    enough = pairs if pairs is not None and pairs >= MIN_PLANS else None
    return PowerPlan(
        sd=sd,
        power=TARGET_POWER,
        level=LEVEL,
        pairs_for={ratio: _for_a_verdict(pairs_needed(ratio, sd)) for ratio in ratios},
        pairs=pairs,
        smallest_saving=visible_ratio(enough, sd) if enough else None,
        smallest_saving_monitored=(
            visible_ratio(enough, sd, level=LEVEL - MONITORING_ALPHA) if enough else None
        ),
    )


def _for_a_verdict(pairs: int | None) -> int | None:
    """No fewer than the plans that any verdict needs."""
    return None if pairs is None else max(pairs, MIN_PLANS)


def power(pairs: int, ratio: float, sd: float, level: float = LEVEL) -> float:
    """Return the chance that the two-sided t test at ``level`` shows a true ``ratio``."""
    df = pairs - 1
    shift = math.sqrt(pairs) * abs(math.log(ratio)) / sd
    cut = float(special.stdtrit(df, 1 - level / 2))
    below, wrong_side = (float(special.nctdtr(df, shift, x)) for x in (cut, -cut))
    # The far tail comes back as NaN where it is below any float that matters.
    return 1 - (below if below > 0 else 0.0) + (wrong_side if wrong_side > 0 else 0.0)


def pairs_needed(
    ratio: float, sd: float, *, target: float = TARGET_POWER, level: float = LEVEL
) -> int | None:
    """Return the fewest pairs whose power reaches ``target``; None above a million."""
    return _fewest(lambda pairs: power(pairs, ratio, sd, level) >= target)


def visible_ratio(
    pairs: int, sd: float, *, target: float = TARGET_POWER, level: float = LEVEL
) -> float | None:
    """Return the ratio below 1 that ``pairs`` show with exactly the power ``target``."""

    def gap(log_ratio: float) -> float:
        return power(pairs, math.exp(-log_ratio), sd, level) - target

    # Three standard errors at two pairs already reach far beyond any saving there is.
    most = 40 * sd / math.sqrt(pairs)
    if gap(most) < 0:
        return None
    return math.exp(-root(gap, 0.0, most))


def _fewest(enough: Callable[[int], bool]) -> int | None:
    """Return the smallest number from 2 on that is enough, by doubling and halving."""
    high = 2
    while not enough(high):
        if high >= MOST_PAIRS:
            return None
        high = min(high * 2, MOST_PAIRS)
    low = max(1, high // 2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _check_sd(sd: float) -> None:
    if not 0 < sd <= MOST_SD:
        raise BadInput(
            f"sd {sd:g} cannot be used",
            field="sd",
            hint="give the SD of ln(treatment / control) over plans; 0.8 is usual, 1.3 is noisy",
        )
