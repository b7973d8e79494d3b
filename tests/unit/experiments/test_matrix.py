"""Every cell of the matrix, from the smallest data that reach it, and its mirror."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from autopack.experiments.analysis import analyse
from autopack.experiments.pairs.pair_table import PairTable
from autopack.experiments.pairs.pairs_reading import table_of
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.shapes.analysis_schema import Analysis
from autopack.experiments.shapes.matrix import (
    CELLS,
    Cell,
    Decision,
    ResourceAxis,
    SuccessAxis,
)

# Log-symmetric noise about a ratio; the last is too wide to tell anything.
RATIOS = {
    "fewer": (0.5, 0.02),
    "same": (1.0, 0.02),
    "more": (2.0, 0.02),
    "unclear": (1.0, 1.5),
}
# How many pairs, and successes of control alone, of treatment alone; the others succeed twice.
OUTCOMES = {
    "higher": (12, 0, 12),
    "maintained": (36, 0, 0),
    "lower": (12, 12, 0),
    "unclear": (12, 0, 0),
}
MIRROR = {"fewer": "more", "more": "fewer", "higher": "lower", "lower": "higher"}


def table(tokens: str, success: str, *, swapped: bool = False) -> PairTable:
    ratio, spread = RATIOS[tokens]
    n, lost, won = OUTCOMES[success]
    records: list[dict[str, object]] = []
    for i in range(n):
        noise = (1 + spread) ** (1 if i % 2 else -1)
        arms = [(1000.0, i >= won), (1000.0 * ratio * noise, i >= lost)]
        control, treatment = reversed(arms) if swapped else arms
        records.append(
            {
                "pair": f"p{i}",
                "plan": f"l{i}",
                "control_tokens": control[0],
                "treatment_tokens": treatment[0],
                "control_success": control[1],
                "treatment_success": treatment[1],
            }
        )
    return table_of(records)


def of(rows: Sequence[Sequence[float]], protocol: AnalysisProtocol | None = None) -> Analysis:
    """Analyse rows of control and treatment tokens, control and treatment success."""
    names = ("control_tokens", "treatment_tokens", "control_success", "treatment_success")
    records = [
        {"pair": f"p{i}", "plan": f"l{i}", **dict(zip(names, row, strict=True))}
        for i, row in enumerate(rows)
    ]
    return analyse(table_of(records), protocol or AnalysisProtocol())


@pytest.mark.parametrize("success", [*SuccessAxis])
@pytest.mark.parametrize("resource", [*ResourceAxis])
def test_every_cell_and_its_mirror(resource: ResourceAxis, success: SuccessAxis) -> None:
    found = analyse(table(resource, success), AnalysisProtocol())
    assert (found.resource_axis, found.success_axis) == (resource, success)
    assert found.decision is CELLS[resource, success].decision
    assert found.sentence.startswith(f"{found.decision}: ")
    assert found.next is not None
    assert found.next.text.endswith(".")
    assert len(found.rules_out) == 2

    mirrored = analyse(table(resource, success, swapped=True), AnalysisProtocol())
    assert mirrored.resource_axis == MIRROR.get(resource, resource)
    assert mirrored.success_axis == MIRROR.get(success, success)
    assert found.gmr is not None
    assert found.ratio_of_totals is not None
    assert mirrored.gmr == pytest.approx(1 / found.gmr)
    assert mirrored.ratio_of_totals == pytest.approx(1 / found.ratio_of_totals)
    assert mirrored.success_interval is not None
    assert found.success_interval is not None
    assert mirrored.success_interval.lo == pytest.approx(-(found.success_interval.hi or 0))
    if found.cost_per_success is not None and found.cost_per_success.ratio is not None:
        assert mirrored.cost_per_success is not None
        assert mirrored.cost_per_success.ratio == pytest.approx(1 / found.cost_per_success.ratio)
        assert mirrored.cost_per_success.hi == pytest.approx(1 / (found.cost_per_success.lo or 1))


def test_a_saving_with_more_success_is_a_saving_too() -> None:
    found = analyse(table("fewer", "higher"), AnalysisProtocol())
    assert (found.decision, found.also_holds) == (Decision.RAISES_SUCCESS, [Decision.SAVES])


def test_each_cell_has_one_decision() -> None:
    assert set(CELLS) == {(r, s) for r in ResourceAxis for s in SuccessAxis}
    assert all(isinstance(cell, Cell) for cell in CELLS.values())


def test_success_that_is_gone_is_lost_whatever_the_tokens() -> None:
    same = of([(1000 + i, 1000 + i, 1, 0) for i in range(8)])
    fewer = of([(1000, 780 + 5 * i, 1, 0) for i in range(20)])
    assert (same.decision, fewer.decision) == (Decision.LOSES_SUCCESS,) * 2
    assert (same.resource_axis, fewer.resource_axis) == (ResourceAxis.SAME, ResourceAxis.FEWER)
    assert "100.0 points fewer runs succeed" in same.sentence


def test_totals_that_contradict_are_said_in_both_directions() -> None:
    rows = [(1000, 1180 + 5 * i, 1, 1) for i in range(9)] + [(1_000_000, 900_000, 1, 1)]
    more = of(rows)
    assert more.decision is Decision.COSTS_MORE
    assert more.totals_clause is not None
    assert "need 9.7% fewer tokens (ratio of totals 0.903)" in more.totals_clause
    assert more.totals_clause in more.sentence
    fewer = of([(treatment, control, 1, 1) for control, treatment, _, _ in rows])
    assert fewer.decision is Decision.MEDIAN_SAVES_TOTAL_DOES_NOT
    assert fewer.totals_clause is not None
    assert "more tokens (ratio of totals 1.1" in fewer.totals_clause


@pytest.mark.parametrize("tokens", ["same", "unclear"])
def test_totals_are_told_where_the_typical_plan_shows_nothing(tokens: str) -> None:
    spread = 1.01 if tokens == "same" else 4.0
    rows = [(1000, 1000 * spread ** (1 if i % 2 else -1), 1, 1) for i in range(40)]
    rows += [(1e6, 1.5e6 * (1 + i / 100), 1, 1) for i in range(2)]
    found = of(rows)
    assert found.resource_axis == tokens
    assert found.totals_clause is not None
    assert found.totals_clause in found.sentence


def test_success_is_bought_at_a_price() -> None:
    found = of([(1000, 1180 + 5 * i, int(i < 2), 1) for i in range(20)])
    assert found.decision is Decision.BUYS_SUCCESS
    assert found.cost_per_success is not None
    # 4,550 more tokens for 18 more successes
    assert found.cost_per_success.per_further_success == pytest.approx(4550 / 18)
    assert "253 tokens for each further success" in found.sentence
    assert found.cost_per_success.ratio == pytest.approx(24_550 / 20 / (20_000 / 2))


def test_nothing_is_maintained_where_nothing_succeeds() -> None:
    found = of([(1000, 500 + i, 0, 0) for i in range(60)])
    assert found.decision is Decision.SAVES_SUCCESS_UNPROVEN
    assert found.success_axis is SuccessAxis.UNCLEAR
    assert "maintained" not in found.sentence
    assert "no run of either arm succeeded" in found.sentence


def test_equivalent_is_bounded_on_both_sides() -> None:
    """A few more succeed without proof of it: the loss is bounded, the gain is not."""
    rows = [
        (1000, 1000 * 1.02 ** (1 if i % 2 else -1), int(i % 8 != 0), int(i % 20 != 1))
        for i in range(40)
    ]
    found = of(rows)
    assert (found.resource_axis, found.success_axis) == ("same", "maintained")
    assert found.decision is Decision.INCONCLUSIVE


def test_money_may_be_the_resource() -> None:
    rows = [
        {
            "pair": f"p{i}",
            "plan": f"l{i}",
            "control_tokens": 1000,
            "treatment_tokens": 500,
            "control_success": True,
            "treatment_success": True,
            "control_cost": 0.01 if i else None,
            "treatment_cost": 0.02 + i / 10_000,
        }
        for i in range(40)
    ]
    found = analyse(table_of(rows), AnalysisProtocol(primary="cost"))
    assert (found.primary, found.decision) == ("cost", Decision.COSTS_MORE)
    assert "more money per plan" in found.sentence
    assert found.void_reasons == {"the cost of control is unknown": 1}
    by_tokens = analyse(table_of(rows), AnalysisProtocol())
    assert by_tokens.decision is Decision.SAVES


def test_while_pairs_run_nothing_is_claimed_of_success_either() -> None:
    protocol = AnalysisProtocol(monitored=True, max_pairs=40)
    rows = [(1000 + 300 * (i % 2), 1000 + 300 * (i % 3), 1, i % 2) for i in range(12)]
    found = of(rows, protocol)
    assert (found.decision, found.success_axis) == (Decision.INCONCLUSIVE, SuccessAxis.UNCLEAR)
    assert found.next is not None
    assert found.next.further_pairs == 28


def test_success_that_is_seen_to_be_lost_ends_an_experiment_early() -> None:
    protocol = AnalysisProtocol(monitored=True, max_pairs=40)
    rows = [(1000 + 300 * (i % 2), 1000 + 300 * (i % 3), 1, 0) for i in range(20)]
    found = of(rows[:13], protocol)
    assert (found.decision, found.resource_axis) == (Decision.LOSES_SUCCESS, "unclear")
    assert found.lost_at == found.stopped_at == 11
    assert "stopped early at 11 of 40" in found.sentence
    assert any("e-value of a loss beyond the margin" in reason for reason in found.reasons)
    assert of(rows[:10], protocol).decision is Decision.INCONCLUSIVE
    assert of(rows, AnalysisProtocol()).lost_at is None
    mirrored = of([(t, c, 0, 1) for c, t, _, _ in rows], protocol)
    assert (mirrored.decision, mirrored.lost_at) == (Decision.INCONCLUSIVE, None)


def test_a_run_that_gives_up_early_is_not_simply_cheap() -> None:
    rows = [(1000 + i, 1000 + i, 1, 1) for i in range(12)]
    rows += [(1000, 20, 1, 0), (1000, 30, 1, 0), (1000, 900, 1, 0)]
    found = of(rows)
    assert found.early_endings is not None
    assert (found.early_endings.treatment, found.early_endings.control) == (2, 0)
    assert any("which counts as cheap" in text for text in found.warnings)
    assert found.both_succeeded is not None
    assert (found.both_succeeded.n, found.both_succeeded.ratio) == (12, pytest.approx(1))
