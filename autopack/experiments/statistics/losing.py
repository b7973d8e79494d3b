"""Evidence that success is lost, which may be looked at after every pair.

Somebody who takes success to be lower by at most the margin can bet on it: of each plan's first
pair, x = treatment minus control lies between -1 and 1 and has a mean of at least -margin, so

    K_n = prod(1 - stake * (x_i + margin))

is a capital that does not grow in the mean, whatever the distribution (Waudby-Smith and Ramdas
2024). The mean over several stakes reaches 1 / alpha with a chance of at most alpha (Ville),
however often it is looked at. Later pairs of a plan share its effect and are omitted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from autopack.experiments.statistics.sequential import MIN_PLANS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Of the 0.025 that "lower" may be wrong, what looks while pairs run spend.
LOSS_LOOKS = 0.010
_STAKES = (0.05, 0.15, 0.3, 0.5, 0.7, 0.9)


def log_capital(x: Floats, margin: float) -> Floats:
    """ln of the capital after each pair, along the last axis of ``x``."""
    found: Floats | None = None
    for share in _STAKES:
        stake = share / (1 + margin)
        grown = np.cumsum(np.log1p(-stake * (x + margin)), axis=-1)
        found = grown if found is None else np.logaddexp(found, grown)
    if found is None:
        raise ValueError("there are no stakes")
    return found - math.log(len(_STAKES))


def first_pairs(plans: Sequence[object]) -> NDArray[np.bool_]:
    """Return which pairs are the first of their plan."""
    seen: set[object] = set()
    fresh = np.zeros(len(plans), dtype=np.bool_)
    for index, plan in enumerate(plans):
        fresh[index] = plan not in seen
        seen.add(plan)
    return fresh


def lost_at(
    endpoints: Sequence[Floats], plans: Sequence[object], margin: float, alpha: float = LOSS_LOOKS
) -> int | None:
    """After how many pairs the loss beyond ``margin`` is shown; None where it is not.

    ``endpoints`` are differences of pairs in their order, of runs and of phases; several share
    ``alpha``. Seven plans are needed at least.
    """
    first = first_pairs(plans)
    bound = math.log(len(endpoints) / alpha)
    capital = [log_capital(x[first], margin) for x in endpoints]
    crossed = [np.flatnonzero(one[MIN_PLANS - 1 :] >= bound) for one in capital]
    plan = min((int(found[0]) + MIN_PLANS - 1 for found in crossed if len(found)), default=None)
    return None if plan is None else int(np.flatnonzero(first)[plan]) + 1
