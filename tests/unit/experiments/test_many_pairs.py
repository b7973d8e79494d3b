"""What is computed otherwise where there are many pairs says the same as where there are few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autopack.experiments.analysis import analyse
from autopack.experiments.pairs.pairs_csv import read_pairs
from autopack.experiments.published import MOST_PAIRS_LISTED
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.statistics import log_ratio, ranks, token_evidence
from autopack.experiments.statistics.log_ratio import sign_flip
from autopack.experiments.statistics.ranks import hodges_lehmann
from autopack.experiments.statistics.sequential import monitor
from autopack.experiments.statistics.token_evidence import PlanGroups
from autopack.experiments.statistics.totals import pooled, ratio_of_totals


@pytest.mark.parametrize("digits", [17, 1])  # without ties, and with almost nothing else
def test_a_pseudo_median_that_is_not_halved_towards(
    monkeypatch: pytest.MonkeyPatch, digits: int
) -> None:
    d = np.random.default_rng(3).normal(-0.1, 0.8, 1500).round(digits)
    halved = hodges_lehmann(d)
    monkeypatch.setattr(ranks, "_INTERPOLATED", 100)
    monkeypatch.setattr(ranks, "_LISTED", 5_000)
    listed = hodges_lehmann(d)
    assert [listed.ratio, listed.lo, listed.hi] == pytest.approx(
        [halved.ratio, halved.lo, halved.hi], abs=1e-11
    )


@pytest.mark.parametrize("shift", [0.0, -0.02, 0.03])
def test_sign_flips_of_many_follow_a_known_distribution(
    monkeypatch: pytest.MonkeyPatch, shift: float
) -> None:
    d = np.random.default_rng(5).standard_t(5, 2000) + shift
    flipped = sign_flip(d, seed=1)
    monkeypatch.setattr(log_ratio, "MANY_SIGN_FLIPS", 1000)
    known = sign_flip(d, seed=1)
    for name in ("two", "less", "greater"):
        assert getattr(known, name) == pytest.approx(getattr(flipped, name), abs=0.005)
    monkeypatch.setattr(log_ratio, "MANY_SIGN_FLIPS", 10)
    assert sign_flip(np.zeros(20), seed=0).two == 1.0


def test_totals_of_groups_of_plans_are_those_of_the_plans() -> None:
    random = np.random.default_rng(0)
    control = random.lognormal(11, 0.8, 40_000)
    treatment = control * random.lognormal(-0.1, 0.8, 40_000)
    grouped = pooled(control, treatment, seed=0)
    assert [len(one) for one in grouped] == [2000, 2000]
    assert [one.sum() for one in grouped] == pytest.approx([control.sum(), treatment.sum()])
    found = ratio_of_totals(control, treatment, seed=0)
    # the delta method, which holds for so many
    ratio = treatment.sum() / control.sum()
    half = 1.96 * (treatment - ratio * control).std() * np.sqrt(40_000) / control.sum()
    assert found.interval.lo == pytest.approx(ratio - half, abs=half / 5)
    assert found.interval.hi == pytest.approx(ratio + half, abs=half / 5)


def test_plans_are_grouped_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = ["b", "a", "b", "c", "a"]
    few = PlanGroups(plans)
    monkeypatch.setattr(token_evidence, "_MANY", 2)
    many = PlanGroups(plans)
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert many.names == few.names == ["b", "a", "c"]
    assert many.mean(values).tolist() == few.mean(values).tolist()


def test_monitoring_of_plans_that_never_come_again() -> None:
    d = np.random.default_rng(2).normal(-0.3, 0.5, 40)
    once = monitor(d, list(range(40)))
    # the last plan comes again, so that every sum is taken one by one
    again = monitor(np.append(d, d[-1]), [*range(40), 39])
    assert once.log_e == pytest.approx(again.log_e[:40])
    assert once.stopped_at == again.stopped_at


def test_more_pairs_than_are_listed(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    n = MOST_PAIRS_LISTED + 500
    tokens = random.lognormal(11, 0.8, (2, n)).round() + 1
    lines = [f"p{i},l{i},{c:.0f},{t:.0f},1,1" for i, (c, t) in enumerate(tokens.T)]
    header = "pair,plan,control_tokens,treatment_tokens,control_success,treatment_success"
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join([header, *lines]))
    analysis = analyse(read_pairs(path), AnalysisProtocol())
    assert analysis.n_pairs == analysis.n_plans == n
    assert len(analysis.pairs) == MOST_PAIRS_LISTED
    assert analysis.pairs_omitted == 500
    assert any("the first 20,000 are listed and drawn" in text for text in analysis.warnings)
