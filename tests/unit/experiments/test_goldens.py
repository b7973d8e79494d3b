"""Every statistic agrees with the values that R gives."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autopack.experiments.statistics.log_ratio import holm, log_ratio, sign_flip
from autopack.experiments.statistics.paired_success import (
    PairedOutcomes,
    mcnemar_mid_p,
    tango_interval,
    tango_z,
)
from autopack.experiments.statistics.power import pairs_needed
from autopack.experiments.statistics.ranks import hodges_lehmann, wilcoxon_p
from autopack.experiments.statistics.sequential import betting_log_e, half_widths, monitor
from autopack.experiments.statistics.totals import describe, ratio_of_totals

DATA = Path(__file__).parents[2] / "data" / "ab" / "ab_stats.json"
CASES: list[dict[str, Any]] = json.loads(DATA.read_text(encoding="utf-8"))["cases"]
TOKENS = [pytest.param(case, id=case["name"]) for case in CASES if case["kind"] == "tokens"]
SUCCESS = [pytest.param(case, id=case["name"]) for case in CASES if case["kind"] == "success"]


def agree(found: dict[str, float | None], expected: dict[str, Any]) -> None:
    for name, value in found.items():
        wanted = expected[name]
        assert value == (None if wanted is None else pytest.approx(wanted, rel=1e-6)), name


def arms(case: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(case["control"], dtype=float), np.array(case["treatment"], dtype=float)


def log_or_none(ratio: float | None) -> float | None:
    return None if ratio is None else math.log(ratio)


@pytest.mark.parametrize("case", TOKENS)
def test_log_ratio(case: dict[str, Any]) -> None:
    control, treatment = arms(case)
    summary = log_ratio(np.log(treatment / control))
    interval = summary.interval(0.95)
    agree(
        {
            "n": summary.n,
            "mean_log_ratio": summary.mean,
            "sd_log_ratio": summary.sd,
            "gmr": summary.ratio,
            "gmr_lo": interval.lo,
            "gmr_hi": interval.hi,
            "t": summary.t,
            "t_p_two": summary.p_two,
            "t_p_less": summary.p_less,
        },
        case["expect"],
    )


@pytest.mark.parametrize("case", TOKENS)
def test_sign_flip(case: dict[str, Any]) -> None:
    control, treatment = arms(case)
    flips = sign_flip(np.log(treatment / control), seed=0)
    agree({"signflip_p_two": flips.two, "signflip_p_less": flips.less}, case["expect"])


@pytest.mark.parametrize("case", TOKENS)
def test_ranks(case: dict[str, Any]) -> None:
    control, treatment = arms(case)
    d = np.log(treatment / control)
    ranks = hodges_lehmann(d)
    expected = {"hl_achieved_conf": None, **case["expect"]}
    agree(
        {
            "hl": log_or_none(ranks.ratio),
            "hl_lo": log_or_none(ranks.lo),
            "hl_hi": log_or_none(ranks.hi),
            "hl_achieved_conf": ranks.achieved,
            "wilcoxon_p_two": wilcoxon_p(d),
        },
        expected,
    )


@pytest.mark.parametrize("case", TOKENS)
def test_totals(case: dict[str, Any]) -> None:
    control, treatment = arms(case)
    totals = ratio_of_totals(control, treatment, seed=0)
    delta = describe(treatment - control)
    agree(
        {
            "ratio_of_totals": totals.ratio,
            "ref_mean_delta": delta.mean,
            "ref_median_delta": delta.median,
            "ref_stdev_delta": delta.sd,
        },
        case["expect"],
    )
    extra = case["extra_own"]
    limits = [totals.interval.lo, totals.interval.hi]
    assert limits == pytest.approx(extra["ratio_of_totals_bca95"], abs=extra["bca_tolerance"])


@pytest.mark.parametrize("case", TOKENS)
def test_sequential(case: dict[str, Any]) -> None:
    control, treatment = arms(case)
    d = np.log(treatment / control)
    looks = monitor(d, range(len(d)))
    bet = betting_log_e((treatment - control) / (treatment + control))
    agree(
        {"eproc_t_g.25": math.exp(looks.final_log_e), "bet_capital_less": math.exp(bet)},
        case["expect"],
    )
    half = float(half_widths(looks.plans, looks.sd, alpha=0.05)[-1])
    open_side = math.isinf(half)
    agree(
        {
            "cs_t_g25_ratio_lo": None if open_side else math.exp(looks.mean[-1] - half),
            "cs_t_g25_ratio_hi": None if open_side else math.exp(looks.mean[-1] + half),
        },
        case["extra_own"],
    )


@pytest.mark.parametrize("case", SUCCESS)
def test_success(case: dict[str, Any]) -> None:
    n10, n01 = case["n10_control_only"], case["n01_treatment_only"]
    outcomes = PairedOutcomes(0, n10, n01, case["n"] - n10 - n01)
    lo, hi = tango_interval(outcomes) or (None, None)
    agree(
        {
            "mcnemar_midp": mcnemar_mid_p(outcomes),
            "tango_lo": lo,
            "tango_hi": hi,
            "tango_z_ni_.10": tango_z(outcomes, -0.10),
        },
        case["expect"],
    )


def test_holm() -> None:
    case = next(case for case in CASES if case["kind"] == "multiplicity")
    assert holm(case["p"]) == pytest.approx(case["expect"]["holm"], rel=1e-6)


@pytest.mark.parametrize(
    ("sd", "pairs"),
    [  # power.t.test(type = "paired", strict = TRUE) for ratios .9 .8 .7 .6 .5
        (0.47, [159, 37, 16, 9, 6]),
        (0.83, [490, 111, 45, 23, 14]),
        (1.28, [1161, 261, 104, 52, 29]),
    ],
)
def test_pairs_needed(sd: float, pairs: list[int]) -> None:
    assert [pairs_needed(ratio, sd) for ratio in (0.9, 0.8, 0.7, 0.6, 0.5)] == pairs
