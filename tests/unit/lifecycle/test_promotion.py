"""Promotion by evidence: how often it is wrong, and how soon it comes."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from autopack.repair.lifecycle.pattern_state import BARS, PatternState, Standing, judged_move
from autopack.repair.lifecycle.precision import Judged, log_e

HISTORIES, HITS = 2_000, 200
MITIGATE = BARS[PatternState.MITIGATE]


@cache
def evidence(bar: float) -> np.ndarray:
    """ln e for every number of right and wrong hits up to 200; below the bar it shows nothing."""
    found = np.full((HITS + 1, HITS + 1), -np.inf)
    for right in range(HITS + 1):
        for wrong in range(HITS + 1 - right):
            if right > bar * (right + wrong):
                found[right, wrong] = log_e(right, wrong, bar)
    return found


def promoted_within(precision: float, hits: int, bar: float = MITIGATE) -> float:
    """The share of histories, looked at after each hit, that are promoted within ``hits``."""
    drawn = np.random.default_rng(19).random((HISTORIES, hits)) < precision
    right = drawn.cumsum(axis=1)
    wrong = np.arange(1, hits + 1) - right
    return float((evidence(bar)[right, wrong] >= math.log(20)).any(axis=1).mean())


def test_what_is_not_precise_enough_is_hardly_ever_promoted() -> None:
    assert promoted_within(0.899, HITS) <= 0.05
    assert promoted_within(0.799, HITS, BARS[PatternState.SUGGEST]) <= 0.05
    assert promoted_within(0.5, HITS) == 0


def test_what_is_precise_is_promoted_soon() -> None:
    assert promoted_within(1.0, 100) >= 0.95
    assert promoted_within(0.98, HITS) >= 0.95


@pytest.mark.parametrize(("right", "wrong", "bar"), [(20, 0, 0.8), (45, 3, 0.9), (3, 9, 0.9)])
def test_the_e_value_is_the_integral_that_it_says_it_is(right: int, wrong: int, bar: float) -> None:
    from scipy.integrate import quad

    value, _ = quad(
        lambda q: (q / bar) ** right * ((1 - q) / (1 - bar)) ** wrong / (1 - bar), bar, 1
    )
    assert Judged(right, wrong).e_value(bar) == pytest.approx(value, rel=1e-6)


def test_no_history_is_evidence() -> None:
    assert Judged().e_value(0.9) == pytest.approx(1)
    assert Judged().interval == (0, 1)
    assert Judged().precision is None


def test_the_interval_is_where_the_evidence_turns() -> None:
    judged = Judged(60, 2)
    lo, hi = judged.interval
    assert 0.8 < lo < judged.precision < hi < 1  # pyright: ignore[reportOperatorIssue]
    assert judged.exceeds(lo - 1e-6)
    assert not judged.exceeds(lo + 1e-6)
    assert judged.is_below(hi + 1e-6)


SHADOW, SUGGEST, ACTS = PatternState.SHADOW, PatternState.SUGGEST, PatternState.MITIGATE
MOVES = [
    # nothing is shown
    (Standing(SHADOW, acts=True), Judged(10, 0), None),
    (Standing(SHADOW, acts=True), Judged(20, 0), SUGGEST),
    (Standing(SUGGEST, acts=True), Judged(20, 0), None),
    (Standing(SUGGEST, acts=True), Judged(50, 0), ACTS),
    # it has nothing to do
    (Standing(SUGGEST, acts=False), Judged(50, 0), None),
    # the action first
    (Standing(ACTS, acts=True), Judged(50, 8), SUGGEST),
    (Standing(SUGGEST, acts=True), Judged(10, 8), SHADOW),
    (Standing(SHADOW, acts=True), Judged(0, 50), None),
    # a person's word stands until it is refuted
    (Standing(ACTS, acts=True, set_by_person=True), Judged(), None),
    (Standing(ACTS, acts=True, set_by_person=True), Judged(3, 1), None),
    (Standing(ACTS, acts=True, set_by_person=True), Judged(2, 9), SUGGEST),
    (Standing(SHADOW, acts=True, set_by_person=True, lowered=True), Judged(99, 0), None),
    # nobody looks, or no run loads it
    (Standing(PatternState.RETIRED, acts=True), Judged(99, 0), None),
    (Standing(PatternState.CANDIDATE, acts=True), Judged(99, 0), None),
]


@pytest.mark.parametrize(("standing", "judged", "expected"), MOVES)
def test_a_pattern_moves_as_its_judged_hits_say(
    standing: Standing, judged: Judged, expected: PatternState | None
) -> None:
    assert judged_move(standing, judged) is expected
