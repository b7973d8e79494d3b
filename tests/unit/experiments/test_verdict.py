"""The decision rule reaches every named verdict, for the right reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autopack.experiments.analysis import analyse
from autopack.experiments.pairs.pair_table import PairTable
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.shapes.analysis_schema import Analysis
from autopack.experiments.verdicts.claims import amount
from autopack.experiments.verdicts.verdict import Decision

Arms = Callable[..., tuple[list[float], list[float]]]
MakeTable = Callable[..., PairTable]
MONITORED = AnalysisProtocol(monitored=True, max_pairs=40)


def successes(n: int, *, failing: int) -> list[bool]:
    return [i >= failing for i in range(n)]


def fractions(n: int, difference: float) -> dict[str, list[float]]:
    """Phase fractions that differ by ``difference`` on average, with some noise."""
    noise = [0.02 * (-1) ** i for i in range(n)]
    return {
        "control_phase_fraction": [0.8] * n,
        "treatment_phase_fraction": [0.8 + difference + x for x in noise],
    }


def counts(n: int, phases: int) -> dict[str, list[int]]:
    """Every phase of every pair was completed by both arms."""
    nothing = {name: [0] * n for name in ("phases_n10", "phases_n01", "phases_n00")}
    return {"phases_n11": [phases] * n, **nothing}


@pytest.mark.parametrize(
    ("n", "ratio", "columns", "decision", "reason"),
    [
        # more than a fifth is void, whatever the tokens say
        (30, 0.5, {"void": ["drift"] * 7 + [""] * 23}, "INVALID", "7 of 30 pairs are void, 23%"),
        (30, 0.5, {"void": ["drift"] * 30}, "INVALID", "30 of 30 pairs are void"),
        # a fifth exactly is still valid
        (45, 0.5, {"void": ["drift"] * 9 + [""] * 36}, "SAVES", "wholly below 1"),
        # six plans cannot reach a one-sided p of 0.015; nor do many pairs of six plans
        (6, 0.5, {}, "INSUFFICIENT", "at least 7 plans, there are 6"),
        (60, 0.5, {"plan": [i % 6 for i in range(60)]}, "INSUFFICIENT", "there are 6"),
        (7, 0.5, fractions(7, 0.0), "SAVES", "sign-flip p for less is 0.0078"),
        # seven successes of seven may be luck; so may thirty-five, but hardly thirty-six
        (7, 0.5, {}, "SAVES_SUCCESS_UNPROVEN", "limit -35.4 by the outcomes of single runs"),
        (35, 0.5, {}, "SAVES_SUCCESS_UNPROVEN", "may be lower by more than"),
        (36, 0.5, {}, "SAVES", "maintained within the margin"),
        # seven plans are seven, however often each was run
        (70, 0.5, {"plan": [i % 7 for i in range(70)]}, "SAVES_SUCCESS_UNPROVEN", "limit -35.4"),
        (70, 0.5, {"plan": [i % 35 for i in range(70)]}, "SAVES_SUCCESS_UNPROVEN", "may be lower"),
        (72, 0.5, {"plan": [i % 36 for i in range(72)]}, "SAVES", "maintained within the margin"),
        (
            80,
            0.5,
            fractions(80, 0.0) | counts(80, 2) | {"plan": [i % 10 for i in range(80)]},
            "SAVES_SUCCESS_UNPROVEN",
            "single phases",
        ),
        # the same of phases: ten plans tell more when each has eight
        (10, 0.5, fractions(10, 0.0) | counts(10, 2), "SAVES_SUCCESS_UNPROVEN", "single phases"),
        (10, 0.5, fractions(10, 0.0) | counts(10, 8), "SAVES", "maintained within the margin"),
        # fewer tokens, success maintained
        (40, 0.6, {}, "SAVES", "maintained within the margin of 10 points"),
        (30, 0.6, fractions(30, -0.05), "SAVES", "it differs by -5.0 points"),
        # fewer tokens, phase completion is lower by more than the margin
        (30, 0.6, fractions(30, -0.2), "LOSES_SUCCESS", "lower by more than the margin"),
        (
            30,
            0.6,
            {"treatment_success": successes(30, failing=4)},
            "SAVES_SUCCESS_UNPROVEN",
            "may be lower by more than",
        ),
        # fewer tokens and more runs succeed
        (30, 0.6, {"control_success": successes(30, failing=9)}, "RAISES_SUCCESS", "more runs"),
        # more phases complete, but the runs that succeed are the same
        (30, 0.6, fractions(30, 0.1), "SAVES", "it differs by +10.0 points"),
        # hardly fewer phases complete, but every third run fails its last one
        (
            30,
            0.6,
            fractions(30, -0.05) | {"treatment_success": successes(30, failing=10)},
            "LOSES_SUCCESS",
            "lower by more than the margin",
        ),
        # more phases complete, but fewer runs succeed
        (
            30,
            0.6,
            fractions(30, 0.1) | {"treatment_success": successes(30, failing=10)},
            "LOSES_SUCCESS",
            "lower by more than the margin",
        ),
        # success is never enough without a saving
        (20, 1.0, {"control_success": successes(20, failing=9)}, "INCONCLUSIVE", "no difference"),
        # more tokens
        (30, 1.6, {}, "COSTS_MORE", "sign-flip p for more"),
        # the same tokens, closely known
        (200, 1.0, {}, "EQUIVALENT", "lies within 1/1.1 to 1.1"),
        # the same tokens, badly known
        (20, 1.0, {}, "INCONCLUSIVE", "equivalence is not shown either"),
    ],
)
def test_looked_at_once(
    make_table: MakeTable,
    noisy_arms: Arms,
    n: int,
    ratio: float,
    columns: dict[str, list[object]],
    decision: str,
    reason: str,
) -> None:
    analysis = analyse(make_table(*noisy_arms(n, ratio), **columns), AnalysisProtocol())
    assert analysis.decision == decision
    assert any(reason in text for text in analysis.reasons), analysis.reasons
    assert analysis.sentence.startswith(f"{decision}: ")
    assert f"{analysis.n_void} void" in analysis.sentence or decision == "INVALID"


def test_a_typical_saving_that_loses_money_is_not_a_saving(
    make_table: MakeTable, noisy_arms: Arms
) -> None:
    control, treatment = noisy_arms(30, 0.6)
    control[3], treatment[3] = 1e9, 1.5e9
    analysis = analyse(make_table(control, treatment), AnalysisProtocol())
    assert analysis.decision == Decision.MEDIAN_SAVES_TOTAL_DOES_NOT
    assert analysis.ratio_of_totals is not None
    assert analysis.ratio_of_totals > 1


def test_one_plan_far_from_all_others_is_a_warning_only(
    make_table: MakeTable, noisy_arms: Arms
) -> None:
    control, treatment = noisy_arms(60, 0.4, sd=0.1)
    treatment[3] = 9 * control[3]
    analysis = analyse(make_table(control, treatment), AnalysisProtocol())
    assert analysis.outlier_warning
    assert analysis.decision == Decision.SAVES


def watched(
    make_table: MakeTable, arms: tuple[list[float], list[float]], n: int, **columns: Any
) -> Analysis:
    return analyse(make_table(arms[0][:n], arms[1][:n], **columns), MONITORED)


def test_monitoring_stops_early(make_table: MakeTable, noisy_arms: Arms) -> None:
    analysis = watched(make_table, noisy_arms(40, 0.5), 20, **fractions(20, 0.0))
    assert analysis.decision == Decision.SAVES
    assert analysis.stopped_at is not None
    assert analysis.stopped_at < 20
    assert analysis.ci.kind == "anytime"
    assert analysis.ci.hi is not None
    assert analysis.ci.hi < 1
    assert f"stopped early at {analysis.stopped_at} of 40" in analysis.sentence


def test_monitoring_stops_early_for_harm(make_table: MakeTable, noisy_arms: Arms) -> None:
    assert watched(make_table, noisy_arms(40, 2.0), 20).decision == Decision.COSTS_MORE


def test_while_pairs_run_a_low_p_is_no_verdict(make_table: MakeTable, noisy_arms: Arms) -> None:
    control, treatment = noisy_arms(12, 0.75)
    analysis = watched(make_table, (control, treatment), 12)
    assert analysis.p_t is not None
    assert analysis.p_t < 0.01
    assert analysis.decision == Decision.INCONCLUSIVE
    assert "12 valid pairs of 40 planned" in analysis.reasons[0]
    assert "shown yet" in analysis.sentence
    assert analysis.ci.kind == "anytime"


def test_the_last_look_uses_what_alpha_is_left(make_table: MakeTable, noisy_arms: Arms) -> None:
    arms = noisy_arms(40, 0.84, sd=0.4, seed=5)
    analysis = watched(make_table, arms, 40)
    assert analysis.stopped_at is None
    assert analysis.decision == Decision.SAVES
    assert analysis.ci.kind == "fixed"
    assert "at most 0.01 as needed" in analysis.reasons[0]


def test_a_p_between_the_two_levels_saves_only_unmonitored(
    make_table: MakeTable, noisy_arms: Arms
) -> None:
    table = make_table(*noisy_arms(40, 0.865, sd=0.4, seed=5))
    once, watched_ = analyse(table, AnalysisProtocol()), analyse(table, MONITORED)
    assert once.p_signflip_less is not None
    assert 0.01 < once.p_signflip_less <= 0.02
    assert (once.decision, watched_.decision) == (Decision.SAVES, Decision.INCONCLUSIVE)


def test_void_pairs_use_up_the_plan(make_table: MakeTable, noisy_arms: Arms) -> None:
    control, treatment = noisy_arms(40, 0.84, sd=0.4, seed=5)
    void = ["drift"] * 2 + [""] * 38
    analysis = watched(make_table, (control, treatment), 40, void=void)
    assert analysis.ci.kind == "fixed"


def test_pairs_after_the_stop_that_turn_around_leave_it_open(make_table: MakeTable) -> None:
    ratios = np.concatenate([np.full(12, 0.5), np.full(28, 2.0)])
    control = np.linspace(1000, 9000, 40).round()
    analysis = watched(make_table, (control.tolist(), (control * ratios).tolist()), 40)
    assert analysis.stopped_at == 8
    assert analysis.decision == Decision.INCONCLUSIVE
    assert "point the other way" in analysis.reasons[1]


def test_stand_in_success_is_called_weak_below_fifty_plans(
    make_table: MakeTable, noisy_arms: Arms
) -> None:
    def caution(n: int, **columns: list[float]) -> bool:
        analysis = analyse(make_table(*noisy_arms(n, 0.6), **columns), AnalysisProtocol())
        return any("stands in" in reason for reason in analysis.reasons)

    assert caution(30)
    assert not caution(50)
    assert not caution(30, **fractions(30, 0.0))


def test_an_experiment_that_ran_to_its_end_did_not_stop_early(
    make_table: MakeTable, noisy_arms: Callable[..., tuple[list[float], list[float]]]
) -> None:
    table = make_table(*noisy_arms(40, 0.5))
    whole = analyse(table, AnalysisProtocol(monitored=True, max_pairs=40))
    assert whole.stopped_at is not None
    assert "stopped early" not in whole.sentence
    part = analyse(table, AnalysisProtocol(monitored=True, max_pairs=60))
    said = " ".join([part.sentence, *part.reasons])
    assert said.count("stopped early") == 1


def test_success_is_not_maintained_where_no_run_succeeds(
    make_table: MakeTable, noisy_arms: Callable[..., tuple[list[float], list[float]]]
) -> None:
    nothing = [False] * 60
    half = [0.5] * 60
    analysis = analyse(
        make_table(
            *noisy_arms(60, 0.5),
            control_success=nothing,
            treatment_success=nothing,
            control_phase_fraction=half,
            treatment_phase_fraction=half,
        ),
        AnalysisProtocol(),
    )
    assert analysis.decision == "SAVES_SUCCESS_UNPROVEN"
    assert any(text.startswith("nothing succeeded in either arm") for text in analysis.reasons)
    assert "and success is maintained" not in analysis.sentence


def test_the_same_with_a_gain_that_is_open_says_what_is_open(make_table: MakeTable) -> None:
    # 3 pairs lost and 9 won of 110: not shown to be more, nor to be less than ten points more
    tokens = [1000 + 5 * (-1) ** i for i in range(110)]
    control, treatment = [not 3 <= i < 12 for i in range(110)], [i >= 3 for i in range(110)]
    table = make_table([1000.0] * 110, tokens, control_success=control, treatment_success=treatment)
    analysis = analyse(table, AnalysisProtocol())
    axes = (analysis.decision, analysis.resource_axis, analysis.success_axis)
    assert axes == ("INCONCLUSIVE", "same", "maintained")
    assert "but it may also be higher by 10 points or more" in analysis.sentence
    assert analysis.next.success_pairs == analysis.next.further_pairs
    assert analysis.next.further_pairs
    assert "would settle whether success is higher" in analysis.next.text


@pytest.mark.parametrize(
    ("value", "text"), [(12_345.67, "$12,345.67"), (1.5, "$1.50"), (0.004, "$0.0040"), (0, "$0.00")]
)
def test_money_is_written_as_money_however_much_it_is(value: float, text: str) -> None:
    assert amount(value, "cost") == text
