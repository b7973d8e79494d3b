"""Replicates that go to discordant plans, and the estimator that they leave unbiased.

After the first pair of a plan, x, a second one, y, is run for certain where the first was
discordant (one arm alone succeeded), and else with the chance q that was registered. Averaging
the two where both exist would be wrong: that a plan has two depends on x, so a loss that chance
showed first is halved and a loss that it hid is not seen. Instead each plan counts

    z = x + w * s / p(x) * (y - x),      p = 1 where x is discordant, else q

with s = 1 where the second pair was run and w fixed beforehand (Horvitz and Thompson 1952).

z is unbiased for the plan's own effect e. Given x and y, s is drawn with chance p(x), so
E[s / p(x) * (y - x)] = E[y - x]; x and y are two pairs of one plan, each with mean e, so that is
e - e = 0, and E[z] = E[x] = e. It holds for any quantity of the pair (log ratio of tokens, success,
phases), however it goes with success. With q = 0, w would have to be 0: replicates of discordant
plans alone can never refine an unbiased estimate.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from autopack.experiments.statistics.losing import first_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

# The share of discordant pairs that the weight is made for; any other costs power, not honesty.
USUAL_DISCORDANCE = 0.25


def is_replicated(seed: int, plan: str, others: float, *, discordant: bool) -> bool:
    """Return whether a plan is run again; for concordant ones the seed decides beforehand."""
    coin = random.Random(f"replicate {seed} {plan}").random()  # noqa: S311
    return discordant or coin < others


def weight(others: float) -> float:
    """Return the weight w that makes z vary least where pairs of a plan vary alike."""
    return 0.5 / (USUAL_DISCORDANCE + (1 - USUAL_DISCORDANCE) / others)


@dataclass(frozen=True)
class Refined:
    """One value a plan; ``complete`` where every pair that the rule asks for has been run."""

    values: Floats
    complete: bool


@dataclass(frozen=True)
class Replicated:
    """Pairs of which some are second pairs of their plan.

    ``first`` marks first pairs, ``second`` is the index of the second pair of each plan or -1,
    ``discordant`` says whether its first pair was, ``others`` is q. ``complete`` is false while
    second pairs that the rule asks for have not been run.
    """

    first: Booleans
    second: NDArray[np.int64]
    discordant: Booleans
    others: float
    complete: bool = True

    @classmethod
    def of(cls, plans: Sequence[str], discordant: Booleans, others: float) -> Replicated:
        """Find the second pairs among pairs in their order; any further one is omitted."""
        first = first_pairs(plans)
        number = {plan: index for index, plan in enumerate(dict.fromkeys(plans))}
        second = np.full(len(number), -1, dtype=np.int64)
        for index, plan in enumerate(plans):
            if not first[index] and second[number[plan]] < 0:
                second[number[plan]] = index
        return cls(first, second, discordant[first], others)

    def awaiting(self, seed: int, plans: Sequence[str], *, void: Sequence[str]) -> Replicated:
        """Return the same, not complete while a plan waits for its second pair.

        One whose second pair is void, of the plans ``void``, waits no more.
        """
        names = list(dict.fromkeys(plans))
        waits = any(
            second < 0
            and name not in void
            and is_replicated(seed, name, self.others, discordant=bool(one))
            for name, second, one in zip(names, self.second, self.discordant, strict=True)
        )
        return replace(self, complete=not waits)

    def refined(self, values: Floats) -> Refined:
        """Return z of each plan, and whether that is all."""
        return Refined(self.combine(values), self.complete)

    def combine(self, values: Floats) -> Floats:
        """Return z of each plan, from one value a pair."""
        x = values[self.first]
        has = self.second >= 0
        chance = np.where(self.discordant, 1.0, self.others)
        gap = np.where(has, values[self.second] - x, 0.0)
        return x + weight(self.others) / chance * gap
