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
decided by the code that users run. Two smaller tables follow: looks between the replicates of
a plan, and claims that success is maintained.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autopack.experiments.evidence import PlanGroups, weigh_tokens
from autopack.experiments.protocol import AnalysisProtocol
from autopack.experiments.sequential import monitor
from autopack.experiments.success import PairedOutcomes
from autopack.experiments.success_axis import weigh_success
from autopack.experiments.verdict import Decision, decide

Floats = NDArray[np.float64]
Arms = tuple[Floats, Floats]
Generator = Callable[[np.random.Generator, int], Arms]

SIGMA = math.sqrt(math.log(2))  # of the log of one run: coefficient of variation 1
CORRELATION = 0.5
SIZES = (7, 10, 20, 50, 111)
RATIOS = (1.0, 0.8, 0.6)
MARGIN = 0.10
MAINTAINED = weigh_success(
    control=np.ones(100, dtype=np.bool_),
    treatment=np.ones(100, dtype=np.bool_),
    groups=PlanGroups([str(plan) for plan in range(100)]),
    fractions=None,
    phases=None,
    declared=None,
)


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


def _print_header(columns: str) -> None:
    print(f"\n{columns}\n{'-' * len(columns)}")


def print_tokens(repetitions: int, seed: int) -> None:
    """False savings, coverage and stopping of the token verdict."""
    _print_header(
        "generator    pairs  ratio  SAVES   COSTS_MORE  coverage  pairs at the end: median  mean"
    )
    cells: list[tuple[float, Cell]] = []
    for name, generator in GENERATORS.items():
        for pairs in SIZES:
            for ratio in RATIOS:
                cell = simulate(
                    generator, pairs=pairs, ratio=ratio, repetitions=repetitions, seed=seed
                )
                cells.append((ratio, cell))
                print(
                    f"{name:<12} {pairs:>5}  {ratio:>5}  {cell.saves:.4f}  {cell.costs_more:.4f}"
                    f"      {cell.coverage:.4f}    {cell.median_stop:>23.0f}  {cell.mean_stop:.1f}",
                    flush=True,
                )
    null = [cell.saves for ratio, cell in cells if ratio == 1]
    coverage = [cell.coverage for _, cell in cells]
    print(f"\nfalse SAVES {min(null):.4f} to {max(null):.4f}, nominal at most 0.025")
    print(f"coverage of the 95% interval {min(coverage):.4f} to {max(coverage):.4f}")


def print_replicates(repetitions: int, seed: int) -> None:
    """False savings when looks are also taken between the replicates of a plan."""
    _print_header("plans  replicates  variance between plans  order        false SAVES")
    for plans, replicates in ((10, 11), (20, 5), (37, 3)):
        for between in (0.0, 0.5):
            for order in ("rounds", "plan by plan"):
                rate = false_saves_with_replicates(
                    plans=plans,
                    replicates=replicates,
                    between=between,
                    by_plan=order == "plan by plan",
                    repetitions=repetitions,
                    seed=seed,
                )
                print(
                    f"{plans:>5}  {replicates:>10}  {between:>22}  {order:<12} {rate:.4f}",
                    flush=True,
                )


def print_success(repetitions: int, seed: int) -> None:
    """How often maintained success is claimed although it fell by the whole margin."""
    _print_header("endpoint               control rate  plans  false claims  claims when equal")
    for phases, control_rate in ((8, 0.85), (8, 0.95), (1, 0.8), (1, 0.95), (1, 1.0)):
        endpoint = f"{phases} phases a run" if phases > 1 else "success of whole runs"
        for plans in SIZES:
            lower, equal = (
                claims_of_maintained_success(
                    phases=phases,
                    control_rate=control_rate,
                    treatment_rate=control_rate - fall,
                    plans=plans,
                    repetitions=repetitions,
                    seed=seed,
                )
                for fall in (0.10, 0.0)
            )
            print(
                f"{endpoint:<22} {control_rate:>12}  {plans:>5}  {lower:>12.4f}  {equal:>17.4f}",
                flush=True,
            )


def false_saves_with_replicates(
    *, plans: int, replicates: int, between: float, by_plan: bool, repetitions: int, seed: int
) -> float:
    """Rate of SAVES at a true ratio of 1 when every plan is run ``replicates`` times.

    ``between`` is the share of the variance of the log ratio that lies between plans.
    """
    random = np.random.default_rng([seed, plans, replicates, by_plan])
    pairs = plans * replicates
    protocol = AnalysisProtocol(monitored=True, max_pairs=pairs)
    index = np.arange(pairs)
    plan = index // replicates if by_plan else index % plans
    names = [str(number) for number in plan]
    saves = 0
    for _ in range(repetitions):
        effect = math.sqrt(between) * random.standard_normal(plans)
        d = SIGMA * (effect[plan] + math.sqrt(1 - between) * random.standard_normal(pairs))
        stop = monitor(d, names).stopped_at or pairs
        tokens = weigh_tokens(
            control=np.full(stop, 1e5),
            treatment=1e5 * np.exp(d[:stop]),
            plans=names[:stop],
            n_void=0,
            protocol=protocol,
        )
        early = tokens.stopped_at is not None and tokens.stopped_direction < 0
        late = tokens.stopped_at is None and (tokens.test_interval.hi or math.inf) < 1
        saves += early or (late and (tokens.flips.less or 0.0) <= tokens.side_alpha)
    return saves / repetitions


def claims_of_maintained_success(
    *,
    phases: int,
    control_rate: float,
    treatment_rate: float,
    plans: int,
    repetitions: int,
    seed: int,
) -> float:
    """Rate at which phase completion is called maintained within ten points."""
    random = np.random.default_rng([seed, phases, plans, round(100 * control_rate)])
    claims = 0
    for _ in range(repetitions):
        control = random.random((plans, phases)) < control_rate
        treatment = random.random((plans, phases)) < treatment_rate
        evidence = weigh_success(
            control=control.all(axis=1),
            treatment=treatment.all(axis=1),
            groups=PlanGroups([str(plan) for plan in range(plans)]),
            fractions=(control.mean(axis=1), treatment.mean(axis=1)),
            phases=PairedOutcomes.count(control.ravel(), treatment.ravel()),
            declared="phases",
        )
        claims += evidence.not_inferior(MARGIN)
    return claims / repetitions


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for show in (print_tokens, print_replicates, print_success):
        show(arguments.repetitions, arguments.seed)
