"""Monitoring gives after every pair what an analysis of the pairs so far would give."""

from __future__ import annotations

import math
import sys
import time

import numpy as np
import pytest

from autopack.experiments.statistics.log_ratio import log_ratio
from autopack.experiments.statistics.sequential import (
    STOPPING_E,
    betting_log_e,
    e_value,
    monitor,
)


def draw(n: int, mean: float = -0.5) -> np.ndarray:
    return np.random.default_rng(n).normal(mean, 0.8, n)


@pytest.mark.parametrize("plans", [60, 13], ids=["one pair a plan", "replicates"])
def test_each_look_is_the_analysis_of_its_prefix(plans: int) -> None:
    d, plan = draw(60), np.arange(60) % plans
    looks = monitor(d, plan.tolist())
    for n in range(1, 61):
        means = [d[:n][plan[:n] == p].mean() for p in range(min(n, plans))]
        summary = log_ratio(np.array(means))
        assert looks.plans[n - 1] == summary.n
        assert looks.mean[n - 1] == pytest.approx(summary.mean)
        if summary.sd is not None:
            assert looks.sd[n - 1] == pytest.approx(summary.sd)


def test_the_sequence_excludes_no_effect_exactly_when_the_e_value_stops() -> None:
    looks = monitor(draw(111), range(111))
    excluded = np.abs(looks.mean) > looks.half
    assert (excluded == (looks.log_e >= math.log(STOPPING_E))).all()
    assert looks.stopped_at == int(np.argmax(excluded)) + 1
    assert looks.direction == -1


def test_the_running_interval_only_narrows() -> None:
    looks = monitor(draw(111), range(111))
    assert (np.diff(looks.lo[10:]) >= 0).all()
    assert (np.diff(looks.hi[10:]) <= 0).all()


def test_evidence_for_more_tokens_points_up() -> None:
    looks = monitor(draw(111, 0.5), range(111))
    assert looks.direction == 1


@pytest.mark.parametrize(
    ("d", "stopped_at"),
    [
        ([-0.5] * 20, 8),  # no variation at all: the prior alone asks for eight plans
        ([0.0] * 200, None),  # no difference at all
        ([-0.5] * 7, None),  # too few
        ([], None),
    ],
)
def test_ratios_that_are_all_alike(d: list[float], stopped_at: int | None) -> None:
    looks = monitor(np.array(d), range(len(d)))
    assert looks.stopped_at == stopped_at
    assert not np.isnan(looks.log_e).any()


def test_replicates_of_few_plans_never_stop() -> None:
    assert monitor(draw(600, -2.0), (np.arange(600) % 6).tolist()).stopped_at is None


def test_an_e_value_beyond_floats_is_the_largest_float() -> None:
    assert e_value(1e6) == sys.float_info.max
    assert e_value(math.log(3)) == pytest.approx(3)


def test_betting_stays_finite_over_many_plans() -> None:
    assert 1000 < betting_log_e(np.full(10_000, -0.3)) < math.inf


def test_time_grows_with_the_number_of_pairs() -> None:
    d = draw(100_000)
    started = time.perf_counter()
    monitor(d, (np.arange(100_000) % 5000).tolist())
    assert time.perf_counter() - started < 2
