"""The hold-out: draws that stay, and what its measure says of a true saving and of none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autopack.mining.savings.arm_differences import Observed, differences, sizes
from autopack.mining.savings.savings import Ratio, ratio_of
from autopack.repair.holdout import draw

SD = 0.8
FEW, MANY = 150, 500


def experiment(seed: int, saving: float, *, phases: int = 200, share: float = 0.5) -> Ratio:
    """Phases of runs of their own, with arms as they are drawn, and log tokens of SD 0.8."""
    rng = np.random.default_rng(seed)
    effect = math.log(1 - saving)
    observed: list[Observed] = []
    for number in range(phases):
        drawn = draw(str(seed), f"run-{number}", "one", "p", share)
        assert drawn is not None
        mean = 10 + (effect if drawn.arm == "treated" else 0)
        observed.append(Observed(f"run-{number}", drawn.arm, share, float(rng.normal(mean, SD))))
    return ratio_of(observed)


def simulated(saving: float, count: int, **how: float) -> tuple[float, float]:
    """The share of intervals that hold the truth, and of those that say there is a saving."""
    found = [experiment(seed, saving, **how) for seed in range(count)]  # pyright: ignore[reportArgumentType]
    bounds = [(one.lo, one.hi) for one in found if one.lo is not None and one.hi is not None]
    assert len(bounds) == count
    covered = sum(lo <= 1 - saving <= hi for lo, hi in bounds)
    saves = sum(hi < 1 for _, hi in bounds)
    return covered / count, saves / count


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.full)])
def test_a_true_saving_is_found_and_covered(count: int) -> None:
    covered, saves = simulated(0.4, count)
    assert covered >= 0.94
    assert saves >= 0.80


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.full)])
def test_no_saving_is_hardly_ever_called_one(count: int) -> None:
    covered, saves = simulated(0.0, count)
    assert covered >= 0.94
    assert saves <= 0.025


def test_a_small_share_is_covered_too() -> None:
    covered, _ = simulated(0.4, FEW, phases=400, share=0.1)
    assert covered >= 0.94


def test_a_draw_is_the_same_whenever_it_is_asked_for() -> None:
    one = draw("1", "run", "phase", "pattern", 0.3)
    assert one == draw("1", "run", "phase", "pattern", 0.3)
    others = [
        draw(*each, 0.3)
        for each in (
            ("2", "run", "phase", "pattern"),
            ("1", "other", "phase", "pattern"),
            ("1", "run", "other", "pattern"),
            ("1", "run", "phase", "other"),
        )
    ]
    assert len({one, *others}) == 5


def test_the_share_is_kept() -> None:
    drawn = [draw("1", f"r{n}", "one", "p", 0.1) for n in range(10_000)]
    held = sum(one is not None and one.arm == "held_out" for one in drawn)
    assert 900 < held < 1_100


def test_what_must_not_be_held_out_is_not_drawn() -> None:
    assert draw("1", "r", "one", "scope_mismatch", 1.0) is None
    assert draw("1", "r", "one", "python_missing_dep", 0.0) is None


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.5, (1, 1)), (0.1, (9, 1)), (0.9, (1, 9)), (0.01, (20, 1))],
)
def test_a_block_has_the_arms_as_the_share_makes_them(
    share: float, expected: tuple[int, int]
) -> None:
    assert sizes(share) == expected


def test_a_run_is_in_one_difference_only() -> None:
    both = [Observed("a", "treated", 0.5, 1.0), Observed("a", "held_out", 0.5, 3.0)]
    apart = [
        Observed("b", "treated", 0.5, 2.0),
        Observed("b", "treated", 0.5, 4.0),
        Observed("c", "held_out", 0.5, 7.0),
        Observed("d", "held_out", 0.5, 9.0),
    ]
    assert differences([*both, *apart]) == [-2.0, -4.0]
