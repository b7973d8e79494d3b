"""The error rates of the whole procedure, on few repetitions with fixed seeds.

``tests/bench/ab_simulation.py`` measures them properly; the limits here leave room for the
sampling error of the small numbers.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def simulation() -> Iterator[ModuleType]:
    folder = str(Path(__file__).parents[2] / "bench")
    sys.path.insert(0, folder)
    yield importlib.import_module("ab_simulation")
    sys.path.remove(folder)


@pytest.mark.parametrize("generator", ["lognormal", "loops", "tails", "skewed"])
def test_no_effect_is_seldom_called_a_saving(simulation: ModuleType, generator: str) -> None:
    cell = simulation.simulate(
        simulation.GENERATORS[generator], pairs=50, ratio=1.0, repetitions=2000, seed=11
    )
    assert cell.fewer <= 0.03
    assert cell.coverage >= 0.935


@pytest.mark.parametrize("generator", ["lognormal", "loops", "tails", "skewed"])
def test_a_large_saving_is_found_early(simulation: ModuleType, generator: str) -> None:
    cell = simulation.simulate(
        simulation.GENERATORS[generator], pairs=111, ratio=0.6, repetitions=100, seed=11
    )
    assert cell.fewer >= 0.90
    assert cell.median_stop <= 0.45 * 111


def test_replicates_do_not_make_savings_up(simulation: ModuleType) -> None:
    rate = simulation.false_saves_with_replicates(
        plans=10, replicates=5, between=0.0, by_plan=False, repetitions=200, seed=11
    )
    assert rate <= 0.045


@pytest.mark.parametrize(
    ("phases", "control_rate", "plans"),
    [(8, 0.85, 50), (8, 0.95, 7), (1, 0.95, 30), (1, 1.0, 7), (1, 1.0, 50)],
)
def test_lost_success_is_seldom_called_maintained(
    simulation: ModuleType, phases: int, control_rate: float, plans: int
) -> None:
    rate = simulation.claims_of_maintained_success(
        phases=phases,
        control_rate=control_rate,
        treatment_rate=control_rate - 0.10,
        plans=plans,
        repetitions=300,
        seed=11,
    )
    assert rate <= simulation.allowed(300, 5)


@pytest.mark.parametrize("monitored", [False, True])
def test_false_statements_are_rare_on_both_axes(simulation: ModuleType, monitored: bool) -> None:
    """What tokens and success of a run share does not add up to more false claims."""
    repetitions, cells = 500, 4 * 4 * 3 * 5
    most = simulation.allowed(repetitions, cells)
    uncovered = simulation.allowed(repetitions, 4 * 4 * 3, rate=0.06)
    for name, generator in simulation.GENERATORS.items():
        for setting in simulation.SETTINGS:
            for pairs in (7, 20, 111):
                cell = simulation.joint(
                    generator,
                    pairs=pairs,
                    ratio=1.0,
                    setting=setting,
                    monitored=monitored,
                    repetitions=repetitions,
                    seed=11,
                )
                too_often = {what: rate for what, rate in cell.false.items() if rate > most}
                assert not too_often, (name, setting, pairs)
                held = simulation.coverage(cell.decided, 1.0)
                assert held >= 1 - uncovered, (name, setting, pairs)


def test_a_tenth_is_seldom_called_the_same(simulation: ModuleType) -> None:
    most = simulation.allowed(1000, 2 * 4 * 2)
    for generator in simulation.GENERATORS.values():
        for pairs in (7, 50):
            for ratio in (1.1, 1 / 1.1):
                cell = simulation.same(
                    generator, pairs=pairs, ratio=ratio, repetitions=1000, seed=11
                )
                assert cell.decided.share_of_resource("same") <= most


@pytest.mark.parametrize("pairs", [7, 20, 36, 50])
def test_success_is_claimed_falsely_in_a_fortieth_at_most(
    simulation: ModuleType, pairs: int
) -> None:
    """Counted exactly, at every share of discordant pairs: no sampling error."""
    for rate in simulation.exact_errors(pairs).values():
        assert 0.005 < rate <= 0.025
