"""Measures what replicates of discordant plans are worth, pair for pair, against plain ones.

    python tests/bench/ab_replicates.py [--repetitions 3000] [--seed 1]

Plans differ in how often a run of them succeeds (beta distributed; ``middling`` are all alike,
``split`` mostly certain), tokens of a run go with its failure (a failed run costs twice as much),
and success of the treatment is lower by ten points. Designs on 60 plans: one pair each, two pairs
each, the rule of ``replicates: {rule: discordant}``, and what it would be to average where a plan
has two. The worth of a design is 1 / (variance of its estimate x pairs run), relative to one pair
a plan: above 1 it gets more from the same money than further plans would. ``bias`` is in standard
errors of the simulation.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from numpy.typing import NDArray

from autopack.experiments.statistics.replicates import Replicated

Floats = NDArray[np.float64]
PLANS = 60
SIGMA = math.sqrt(math.log(2)) / math.sqrt(2)
SHAPES = {"middling": (20.0, 10.0), "spread": (1.4, 0.7), "split": (0.3, 0.15)}
LOSS = 0.10
DESIGNS = ("one pair each", "two pairs each", "rule, weighted", "averaged where discordant")


def pairs(random: np.random.Generator, rate: Floats, task: Floats) -> tuple[Floats, Floats]:
    """Differences in success and log ratios of one pair of each plan."""
    control, treatment = (random.random(PLANS) < p for p in (rate, np.maximum(rate - LOSS, 0)))
    dear = math.log(2) * (control.astype(float) - treatment)
    noise = SIGMA * (random.standard_normal(PLANS) - random.standard_normal(PLANS))
    return treatment.astype(float) - control, dear + noise + 0.3 * task


def estimates(random: np.random.Generator, shape: tuple[float, float], others: float) -> Floats:
    """Estimates and pairs of one experiment, by design: success, tokens, pairs."""
    rate, task = random.beta(*shape, PLANS), random.standard_normal(PLANS)
    (x, d), (y, e) = pairs(random, rate, task), pairs(random, rate, task)
    lost = x != 0
    again = lost | (random.random(PLANS) < others)
    names = [str(i) for i in range(PLANS)]
    plans = names + [name for name, twice in zip(names, again.tolist(), strict=True) if twice]
    rule = Replicated.of(plans, np.concatenate([x, y[again]]) != 0, others)
    weighted = [rule.combine(np.concatenate([x, y[again]])), rule.combine(np.append(d, e[again]))]
    return np.array(
        [
            [x.mean(), d.mean(), PLANS],
            [((x + y) / 2).mean(), ((d + e) / 2).mean(), 2 * PLANS],
            [weighted[0].mean(), weighted[1].mean(), PLANS + again.sum()],
            [
                np.where(lost, (x + y) / 2, x).mean(),
                np.where(lost, (d + e) / 2, d).mean(),
                PLANS + lost.sum(),
            ],
        ]
    )


def main(repetitions: int, seed: int) -> None:
    """Print the worth of each design and its bias."""
    print("plans      others  design                      pairs   success: worth  bias"
          "   tokens: worth  bias")  # fmt: skip
    for name, shape in SHAPES.items():
        for others in (0.25, 0.5):
            random = np.random.default_rng([seed, round(100 * others)])
            found = np.array([estimates(random, shape, others) for _ in range(repetitions)])
            cost = found[:, :, 2].mean(axis=0)
            spread = found[:, :, :2].var(axis=0, ddof=1)
            worth = spread[0] * cost[0] / (spread * cost[:, None])
            # Every design is of the same plans: what it differs by from one pair each is bias.
            gap = found[:, :, :2] - found[:, :1, :2]
            error = gap.std(axis=0, ddof=1) / math.sqrt(repetitions)
            bias = np.divide(gap.mean(axis=0), error, out=np.zeros_like(error), where=error > 0)
            for k, design in enumerate(DESIGNS):
                print(
                    f"{name:<10} {others:>6}  {design:<26} {cost[k]:>6.1f}   {worth[k, 0]:>14.2f} "
                    f"{bias[k, 0]:>+5.1f}   {worth[k, 1]:>13.2f} {bias[k, 1]:>+5.1f}"
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--repetitions", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    main(arguments.repetitions, arguments.seed)
