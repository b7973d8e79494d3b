"""Measures the error rates of the A/B procedure on data whose truth is known, on both axes.

    python tests/bench/ab_simulation.py [--repetitions 1000] [--seed 1] [--full]

Four generators of token counts, each arm of a pair lognormal with coefficient of variation 1
and correlation 0.5 with the other arm:

    lognormal   nothing else
    loops       one run in ten, of either arm, costs five times as much
    tails       errors of a t distribution with 3 degrees of freedom
    skewed      one treatment run in five costs five times as much, the others less, so that
                the mean log ratio is as declared

Four settings of success. A run succeeds when its own difficulty, half that of its plan, is below
a limit; the difficulty goes with the tokens of the run (correlation 0.6), so that a stop because
of tokens is no fair draw of success:

    easy        95 % in both arms
    equal       80 % in both arms, a quarter of the pairs discordant
    hard        50 % in both arms
    lost        80 % and 70 %: less by exactly the margin

"The same" is simulated where it is false by nothing: at ratios of 1.1 and 1/1.1, with as little
noise as such a claim needs. For experiments that are looked at once, what success shows is also
counted exactly, over every share of discordant pairs.

Every experiment is decided by the vectorised rule, which a test holds to the one that users run.
``--full`` repeats each cell 20,000 times.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ab_claims import (
    claims_of_maintained_success,
    false_saves_with_replicates,
    protocol_for,
)
from ab_generators import (
    GENERATORS,
    MARGIN,
    RATIOS,
    SETTINGS,
    SIZES,
    Generator,
    succeeds,
)
from numpy.typing import NDArray
from scipy import stats

from autopack.experiments.planning.batch import Decided, Rows, decide_rows
from autopack.experiments.planning.batch_success import SUCCESSES, SuccessRows, success_axes
from autopack.experiments.shapes.matrix import Decision, ResourceAxis, SuccessAxis

Floats = NDArray[np.float64]
Shape = tuple[int, int]


def simulate_rows(
    generator: Generator,
    *,
    pairs: int,
    ratio: float,
    setting: str,
    repetitions: int,
    seed: int,
    spread: float = 1.0,
) -> Rows:
    """``repetitions`` experiments of ``pairs`` pairs; ``spread`` scales the noise of tokens."""
    name = [seed, pairs, round(1000 * ratio), sorted(SETTINGS).index(setting)]
    random = np.random.default_rng(name)
    drawn = generator(random, (repetitions, pairs))
    had, got = SETTINGS[setting]
    return Rows(
        np.exp(spread * drawn.control),
        np.exp(spread * drawn.treatment) * ratio,
        SuccessRows(
            succeeds(random, drawn.task, drawn.first, had),
            succeeds(random, drawn.task, drawn.second, got),
        ),
    )


def coverage(decided: Decided, ratio: float) -> float:
    """How often the reported interval holds the true ratio."""
    truth = math.log(ratio)
    return float(((decided.lo <= truth) & (truth <= decided.hi)).mean())


@dataclass(frozen=True)
class Cell:
    """Rates over the repetitions of one generator, number of pairs and true ratio."""

    fewer: float
    more: float
    coverage: float
    median_stop: float
    mean_stop: float


def simulate(
    generator: Generator, *, pairs: int, ratio: float, repetitions: int, seed: int
) -> Cell:
    """Run ``repetitions`` monitored experiments of at most ``pairs`` pairs."""
    rows = simulate_rows(
        generator, pairs=pairs, ratio=ratio, setting="equal", repetitions=repetitions, seed=seed
    )
    decided = decide_rows(rows, protocol_for(pairs, monitored=True))
    return Cell(
        fewer=decided.share_of_resource(ResourceAxis.FEWER),
        more=decided.share_of_resource(ResourceAxis.MORE),
        coverage=coverage(decided, ratio),
        median_stop=float(np.median(decided.pairs)),
        mean_stop=float(np.mean(decided.pairs)),
    )


def _print_header(columns: str) -> None:
    print(f"\n{columns}\n{'-' * len(columns)}")


def print_tokens(repetitions: int, seed: int) -> None:
    """False statements about tokens, coverage and stopping."""
    _print_header(
        "generator    pairs  ratio   fewer    more  coverage  pairs at the end: median  mean"
    )
    for name, generator in GENERATORS.items():
        for pairs in SIZES:
            for ratio in RATIOS:
                cell = simulate(
                    generator, pairs=pairs, ratio=ratio, repetitions=repetitions, seed=seed
                )
                print(
                    f"{name:<12} {pairs:>5}  {ratio:>5}  {cell.fewer:.4f}  {cell.more:.4f}"
                    f"    {cell.coverage:.4f}  {cell.median_stop:>24.0f}  {cell.mean_stop:.1f}",
                    flush=True,
                )


@dataclass(frozen=True)
class JointCell:
    """How often each statement was made; false where its null is true."""

    decided: Decided
    ratio: float
    setting: str

    @property
    def false(self) -> dict[str, float]:
        """The rates of the statements that are false here."""
        found: dict[str, float] = {}
        if self.ratio == 1:
            found["fewer"] = self.decided.share_of_resource(ResourceAxis.FEWER)
            found["more"] = self.decided.share_of_resource(ResourceAxis.MORE)
        if self.setting == "lost":
            found["lower"] = self.decided.share_of_success(SuccessAxis.LOWER)
            maintained = self.decided.share_of_success(SuccessAxis.MAINTAINED)
            found["maintained"] = maintained
            found["saves"] = self.decided.share(Decision.SAVES, Decision.RAISES_SUCCESS)
        else:
            found["lower"] = self.decided.share_of_success(SuccessAxis.LOWER)
        if self.setting != "lost":
            found["higher"] = self.decided.share_of_success(SuccessAxis.HIGHER)
        return found


def allowed(repetitions: int, cells: int, *, rate: float = 0.025, chance: float = 0.01) -> float:
    """The share that the worst of ``cells`` exceeds with ``chance`` where each is true to ``rate``.

    Binomial, with Bonferroni's bound over the cells.
    """
    return float(stats.binom.isf(chance / cells, repetitions, rate)) / repetitions


def same(
    generator: Generator, *, pairs: int, ratio: float, repetitions: int, seed: int
) -> JointCell:
    """Tokens that differ by a tenth exactly, with so little noise that they may seem the same."""
    rows = simulate_rows(
        generator,
        pairs=pairs,
        ratio=ratio,
        setting="easy",
        repetitions=repetitions,
        seed=seed,
        spread=0.03 * math.sqrt(pairs),
    )
    return JointCell(decide_rows(rows, protocol_for(pairs, monitored=False)), ratio, "easy")


def print_same(repetitions: int, seed: int) -> None:
    """How often tokens are called the same where they differ by a tenth."""
    _print_header("generator    ratio 1.1   1/1.1   (worst of n)   when equal, n 50")
    worst = 0.0
    for name, generator in GENERATORS.items():
        rates = [
            max(
                same(
                    generator, pairs=pairs, ratio=ratio, repetitions=repetitions, seed=seed
                ).decided.share_of_resource(ResourceAxis.SAME)
                for pairs in SIZES
            )
            for ratio in (1.1, 1 / 1.1)
        ]
        equal = same(generator, pairs=50, ratio=1.0, repetitions=repetitions, seed=seed)
        worst = max(worst, *rates)
        shown = equal.decided.share_of_resource(ResourceAxis.SAME)
        print(
            f"{name:<12}    {rates[0]:.4f}  {rates[1]:.4f}                  {shown:.4f}", flush=True
        )
    print(f"\nworst of all: same {worst:.4f}")


def exact_errors(pairs: int) -> dict[str, float]:
    """The highest false rates of what success shows once, over every share of discordant pairs.

    Every outcome of ``pairs`` pairs is decided and weighed by how likely it is: no simulation.
    """
    lost, won = np.indices((pairs + 1, pairs + 1)).reshape(2, -1)
    lost, won = lost[lost + won <= pairs], won[lost + won <= pairs]
    index = np.arange(pairs)
    rows = SuccessRows(
        (index < lost[:, None]) | (index >= (lost + won)[:, None]), index >= lost[:, None]
    )
    found, _ = success_axes(rows, np.full(len(lost), pairs), protocol_for(pairs, monitored=False))
    worst: dict[str, float] = {}
    for axis, difference in (("higher", 0.0), ("lower", -MARGIN), ("maintained", -MARGIN)):
        claims = found == SUCCESSES.index(SuccessAxis(axis))
        for share in np.linspace(max(abs(difference), 0.005), 1, 120):
            odds = [(share - difference) / 2, (share + difference) / 2, 1 - share]
            counts = np.stack([lost, won, pairs - lost - won], axis=1)
            chance = stats.multinomial.pmf(counts[claims], pairs, odds).sum() if claims.any() else 0
            worst[axis] = max(worst.get(axis, 0.0), float(chance))
    return worst


def print_exact() -> None:
    """The highest false rates that any share of discordant pairs can bring about."""
    _print_header("pairs   higher   lower  maintained   (looked at once, whole runs, exact)")
    for pairs in (*SIZES[:3], 30, 36, *SIZES[3:]):
        rates = exact_errors(pairs)
        print(
            f"{pairs:>5}   {rates['higher']:.4f}  {rates['lower']:.4f}      "
            f"{rates['maintained']:.4f}",
            flush=True,
        )


def joint(
    generator: Generator,
    *,
    pairs: int,
    ratio: float,
    setting: str,
    monitored: bool,
    repetitions: int,
    seed: int,
) -> JointCell:
    """Both axes of one cell."""
    rows = simulate_rows(
        generator, pairs=pairs, ratio=ratio, setting=setting, repetitions=repetitions, seed=seed
    )
    decided = decide_rows(rows, protocol_for(pairs, monitored=monitored))
    return JointCell(decided, ratio, setting)


STATEMENTS = ("fewer", "more", "higher", "lower", "maintained", "saves")


def print_joint(repetitions: int, seed: int) -> None:
    """False statements on both axes, with what the tokens and success of a run share."""
    columns = "  ".join(f"{name:>10}" for name in STATEMENTS)
    _print_header(f"generator    success  ratio  look        {columns}  coverage   (worst of n)")
    worst: dict[str, float] = {}
    covered: list[float] = []
    for name, generator in GENERATORS.items():
        for setting in SETTINGS:
            for ratio in (1.0, 0.6):
                for monitored in (False, True):
                    cells = [
                        joint(
                            generator,
                            pairs=pairs,
                            ratio=ratio,
                            setting=setting,
                            monitored=monitored,
                            repetitions=repetitions,
                            seed=seed,
                        )
                        for pairs in SIZES
                    ]
                    row = {
                        key: max(cell.false[key] for cell in cells if key in cell.false)
                        for key in STATEMENTS
                        if any(key in cell.false for cell in cells)
                    }
                    holds = [coverage(cell.decided, ratio) for cell in cells]
                    covered += holds
                    for key, rate in row.items():
                        worst[key] = max(worst.get(key, 0.0), rate)
                    shown = "  ".join(
                        f"{row[key]:>10.4f}" if key in row else f"{'':>10}" for key in STATEMENTS
                    )
                    look = "monitored" if monitored else "once"
                    print(
                        f"{name:<12} {setting:<7}  {ratio:>5}  {look:<10}  {shown}"
                        f"  {min(holds):.4f}",
                        flush=True,
                    )
    print("\nworst of all: " + ", ".join(f"{key} {worst[key]:.4f}" for key in STATEMENTS))
    bound = allowed(repetitions, 5 * 2 * 2 * len(GENERATORS) * len(SETTINGS))
    print(f"where 0.025 is true of each, the worst exceeds {bound:.4f} in one of a hundred")
    print(f"coverage of the 95% interval {min(covered):.4f} to {max(covered):.4f}")


def print_replicates(repetitions: int, seed: int) -> None:
    """False savings when looks are also taken between the replicates of a plan."""
    _print_header("plans  replicates  variance between plans  order        false fewer")
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


PARTS: tuple[tuple[str, Callable[[int, int], None]], ...] = (
    ("joint", print_joint),
    ("same", print_same),
    ("exact", lambda repetitions, seed: print_exact()),
    ("tokens", print_tokens),
    ("replicates", print_replicates),
    ("success", print_success),
)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--full", action="store_true", help="20,000 repetitions")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=[name for name, _ in PARTS])
    arguments = parser.parse_args()
    number = 20_000 if arguments.full else arguments.repetitions
    for name, show in PARTS:
        if arguments.only in (None, name):
            show(number, arguments.seed)
