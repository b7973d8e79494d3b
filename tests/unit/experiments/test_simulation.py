"""The error rates of the whole procedure, on few repetitions with fixed seeds.

``tests/bench/ab_simulation.py`` measures them properly; the limits here leave room for the
sampling error of the small numbers.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    path = Path(__file__).parents[2] / "bench" / "ab_simulation.py"
    spec = importlib.util.spec_from_file_location("ab_simulation", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


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
    assert rate <= 0.09


@pytest.mark.parametrize("monitored", [False, True])
@pytest.mark.parametrize("setting", ["easy", "equal", "hard", "lost"])
@pytest.mark.parametrize("generator", ["lognormal", "loops", "tails"])
def test_false_statements_are_rare_on_both_axes(
    simulation: ModuleType, generator: str, setting: str, monitored: bool
) -> None:
    """What tokens and success of a run share does not add up to more false claims."""
    for ratio in (1.0, 0.6):
        cell = simulation.joint(
            simulation.GENERATORS[generator],
            pairs=50,
            ratio=ratio,
            setting=setting,
            monitored=monitored,
            repetitions=1500,
            seed=11,
        )
        # Three standard errors of 1,500 repetitions above what is allowed.
        for statement in ("fewer", "more", "higher", "lower"):
            assert cell.false.get(statement, 0.0) <= 0.025 + 0.0125
        assert cell.false.get("maintained", 0.0) <= 0.05 + 0.017
        assert simulation.coverage(cell.decided, ratio) >= 0.93
