"""Measures what earlier control runs are worth, and what an unseen drift does.

    PYTHONPATH=tests/bench python tests/bench/ab_earlier.py [--repetitions 3000] [--seed 1]

The generators are those of ``ab_simulation.py``. Each plan has three earlier control runs with
noise of the same kind. Experiments are looked at after every pair, as monitored ones are.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

import numpy as np
from ab_generators import CORRELATION, GENERATORS, SIGMA, Floats, Pairs
from scipy import special, stats

from autopack.experiments.statistics.earlier import DRIFT_ALPHA, LOOKS_ALPHA
from autopack.experiments.statistics.log_ratio import SKEW_SHARE, skew_quantiles
from autopack.experiments.statistics.sequential import MIN_PLANS, MONITORING_ALPHA, log_e_values

EARLIER = 3
SIZES = (7, 20, 50, 111)


@dataclass(frozen=True)
class Found:
    """How often fewer and more were shown, and the median number of pairs."""

    fewer: float
    more: float
    median: float


def running(d: Floats) -> tuple[Floats, Floats]:
    """Mean and SD after each pair."""
    count = np.arange(1, d.shape[1] + 1)
    mean = np.cumsum(d, axis=1) / count
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (np.cumsum(d**2, axis=1) - count * mean**2) / (count - 1)
    return mean, np.sqrt(np.maximum(variance, 0))


def earlier_means(random: np.random.Generator, name: str, drawn: Pairs) -> Floats:
    """The mean log of three earlier control runs of each plan."""
    shape = (EARLIER, *drawn.task.shape)
    noise = random.standard_normal(shape)
    if name == "tails":
        noise = random.standard_t(3, shape) / math.sqrt(3)
    logs = 11 + math.sqrt(CORRELATION) * SIGMA * drawn.task
    logs = logs + math.sqrt(1 - CORRELATION) * SIGMA * noise
    if name == "loops":
        logs = logs + math.log(5) * (random.random(shape) < 0.1)
    return logs.mean(axis=0)


def simulate(
    name: str,
    *,
    pairs: int,
    ratio: float,
    repetitions: int,
    seed: int,
    earlier: bool = True,
    drift: float = 1.0,
) -> Found:
    """Carry out monitored experiments with earlier controls, or without."""
    random = np.random.default_rng([seed, pairs, round(1000 * ratio)])
    drawn = GENERATORS[name](random, (repetitions, pairs))
    d = drawn.treatment + math.log(ratio) - drawn.control
    mean, sd = running(d)
    count = np.arange(1, pairs + 1)
    looks = MONITORING_ALPHA
    if earlier:
        looks = LOOKS_ALPHA
        gap = drawn.control - earlier_means(random, name, drawn) - math.log(drift)
        moved, spread = running(-gap)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(moved) / spread * np.sqrt(count)
        quantile = special.stdtrit(np.maximum(count - 1, 1), 1 - DRIFT_ALPHA / 2)
        quiet = (t < quantile) & (count >= MIN_PLANS)
        with_them = running(d + EARLIER / (EARLIER + 1) * gap)
        mean, sd = np.where(quiet, with_them[0], mean), np.where(quiet, with_them[1], sd)
        d = np.where(quiet[:, -1:], d + EARLIER / (EARLIER + 1) * gap, d)
    crossed = (log_e_values(count, mean, sd) >= -math.log(looks)) & (count >= MIN_PLANS)
    early = crossed.any(axis=1)
    stop = np.where(early, crossed.argmax(axis=1) + 1, pairs)
    side = (0.05 - looks) / 2
    last = special.stdtrit(pairs - 1, 1 - side)
    skew = stats.skew(d, axis=1, bias=False)
    corrected = special.stdtrit(pairs - 1, 1 - SKEW_SHARE * side)
    low, high = skew_quantiles(float(pairs), skew, float(corrected))
    t = mean[:, -1] / sd[:, -1] * math.sqrt(pairs)
    at_the_end = np.where((t > last) & (t > high), 1, np.where((t < -last) & (t < low), -1, 0))
    shown = np.where(early, np.sign(mean[np.arange(repetitions), stop - 1]), at_the_end)
    return Found(float((shown < 0).mean()), float((shown > 0).mean()), float(np.median(stop)))


def main(repetitions: int, seed: int) -> None:
    """Print the gain, the false claims without a drift, and those with one."""
    print(
        "generator   pairs to a saving of 40%: without, with   false fewer, more with (worst of n)"
    )
    for name in GENERATORS:
        plain, refined = (
            simulate(
                name, pairs=111, ratio=0.6, repetitions=repetitions, seed=seed, earlier=earlier
            )
            for earlier in (False, True)
        )
        null = [
            simulate(name, pairs=pairs, ratio=1.0, repetitions=4 * repetitions, seed=seed)
            for pairs in SIZES
        ]
        print(
            f"{name:<12} {plain.median:>33.0f}  {refined.median:>4.0f}"
            f"   {max(one.fewer for one in null):>12.4f}  {max(one.more for one in null):.4f}",
            flush=True,
        )
    print("\nfresh / earlier   pairs   false fewer, more (lognormal)")
    for drift in (0.9, 0.8, 0.67):
        for pairs in (20, 111):
            one = simulate(
                "lognormal",
                pairs=pairs,
                ratio=1.0,
                repetitions=repetitions,
                seed=seed,
                drift=1 / drift,
            )
            print(f"{drift:>15}   {pairs:>5}   {one.fewer:.4f}  {one.more:.4f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--repetitions", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    main(arguments.repetitions, arguments.seed)
