"""Measures the error rates of the A/B procedure on data whose truth is known.

    python tests/bench/ab_simulation.py [--repetitions 1000] [--seed 1]

Four generators of token counts, each arm of a pair lognormal with coefficient of variation 1
and correlation 0.5 with the other arm:

    lognormal   nothing else
    loops       one run in ten, of either arm, costs five times as much
    tails       errors of a t distribution with 3 degrees of freedom
    skewed      one treatment run in five costs five times as much, the others less, so that
                the mean log ratio is as declared

Every experiment is monitored after each pair up to N, stops when the evidence suffices, and is
decided by the code that users run.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autopack.experiments.evidence import weigh_tokens
from autopack.experiments.protocol import AnalysisProtocol
from autopack.experiments.sequential import monitor
from autopack.experiments.success import PairedOutcomes, mean_and_lower_limit
from autopack.experiments.verdict import Decision, SuccessEvidence, decide

Floats = NDArray[np.float64]
Arms = tuple[Floats, Floats]
Generator = Callable[[np.random.Generator, int], Arms]

SIGMA = math.sqrt(math.log(2))  # of the log of one run: coefficient of variation 1
CORRELATION = 0.5
SIZES = (7, 10, 20, 50, 111)
MAINTAINED = SuccessEvidence(PairedOutcomes(1, 0, 0, 0), 1.0, (-0.05, 0.05), 0.0, 0.0)


def _logs(task: Floats, first: Floats, second: Floats) -> Arms:
    shared, own = math.sqrt(CORRELATION) * SIGMA, math.sqrt(1 - CORRELATION) * SIGMA
    return 11 + shared * task + own * first, 11 + shared * task + own * second


def lognormal(random: np.random.Generator, n: int) -> Arms:
    return _logs(*random.standard_normal((3, n)))


def loops(random: np.random.Generator, n: int) -> Arms:
    control, treatment = lognormal(random, n)
    extra = math.log(5) * (random.random((2, n)) < 0.1)
    return control + extra[0], treatment + extra[1]


def tails(random: np.random.Generator, n: int) -> Arms:
    first, second = random.standard_t(3, (2, n)) / math.sqrt(3)
    return _logs(random.standard_normal(n), first, second)


def skewed(random: np.random.Generator, n: int) -> Arms:
    control, treatment = lognormal(random, n)
    return control, treatment + math.log(5) * ((random.random(n) < 0.2) - 0.2)


GENERATORS: dict[str, Generator] = {
    "lognormal": lognormal,
    "loops": loops,
    "tails": tails,
    "skewed": skewed,
}


@dataclass(frozen=True)
class Cell:
    """Rates over the repetitions of one generator, number of pairs and true ratio."""

    saves: float
    costs_more: float
    coverage: float
    median_stop: float
    mean_stop: float


def simulate(
    generator: Generator, *, pairs: int, ratio: float, repetitions: int, seed: int
) -> Cell:
    """Run ``repetitions`` monitored experiments of at most ``pairs`` pairs."""
    random = np.random.default_rng([seed, pairs, round(1000 * ratio)])
    protocol = AnalysisProtocol(monitored=True, max_pairs=pairs)
    decisions: list[Decision] = []
    covered: list[bool] = []
    stops: list[int] = []
    for _ in range(repetitions):
        control, treatment = (np.exp(logs) for logs in generator(random, pairs))
        treatment = treatment * ratio
        plans = [str(plan) for plan in range(pairs)]
        stop = monitor(np.log(treatment / control), plans).stopped_at or pairs
        tokens = weigh_tokens(
            control=control[:stop],
            treatment=treatment[:stop],
            plans=plans[:stop],
            n_void=0,
            protocol=protocol,
        )
        verdict = decide(
            tokens=tokens, success=MAINTAINED, n_pairs=stop, n_void=0, protocol=protocol
        )
        lo, hi = tokens.reported.lo or 0.0, tokens.reported.hi or math.inf
        decisions.append(verdict.decision)
        covered.append(lo <= ratio <= hi)
        stops.append(stop)
    return Cell(
        saves=float(np.mean([d is Decision.SAVES for d in decisions])),
        costs_more=float(np.mean([d is Decision.COSTS_MORE for d in decisions])),
        coverage=float(np.mean(covered)),
        median_stop=float(np.median(stops)),
        mean_stop=float(np.mean(stops)),
    )
