"""Secondary metrics: the paired log ratio again, with zeros and gaps handled in the open."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from autopack.experiments.pairs.pair_table import PairTable
from autopack.experiments.statistics.secondary import compare_metrics, zero_offset

MakeTable = Callable[..., PairTable]


def with_metrics(make_table: MakeTable, **metrics: object) -> PairTable:
    return make_table([100.0] * 8, [90.0] * 8, **metrics)


def test_a_positive_metric_is_a_paired_t_test_of_logs(make_table: MakeTable) -> None:
    control, treatment = [3, 5, 2, 8, 4, 6, 7, 5.5], [2, 4, 2.5, 5, 3, 6.5, 4, 5]
    table = with_metrics(make_table, control_cost=control, treatment_cost=treatment)
    (cost,) = compare_metrics(table, None)
    theirs = stats.ttest_rel(np.log(treatment), np.log(control))
    assert cost.p == pytest.approx(theirs.pvalue)
    assert np.log([cost.lo, cost.hi]) == pytest.approx(list(theirs.confidence_interval(0.95)))  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert (cost.n, cost.offset) == (8, 0)


@pytest.mark.parametrize(
    ("control", "treatment", "offset"),
    [
        ([1, 2], [3, 4], 0.0),  # nothing to repair
        ([0, 2], [3, 1], 0.5),  # counts: half of one
        ([0.0, 0.08], [0.02, 0.0], 0.01),  # small amounts: half the smallest
        ([0, 0], [0, 0], None),  # nothing to compare
        ([], [], None),
    ],
)
def test_zero_offset(control: list[float], treatment: list[float], offset: float | None) -> None:
    assert zero_offset(np.array(control, float), np.array(treatment, float)) == offset


def test_pairs_with_zeros_are_kept(make_table: MakeTable) -> None:
    table = with_metrics(
        make_table,
        control_doctor_calls=[0, 1, 2, 0, 3, 1, 0, 2],
        treatment_doctor_calls=[0, 0, 1, 0, 1, 0, 0, 0],
    )
    (calls,) = compare_metrics(table, None)
    assert (calls.n, calls.offset) == (8, 0.5)
    assert calls.ratio is not None
    assert calls.ratio < 1


def test_pairs_without_a_value_are_left_out(make_table: MakeTable) -> None:
    table = with_metrics(
        make_table,
        control_x=[1, None, 3, 4, 5, 6, 7, 8],
        treatment_x=[2, 2, None, 4, 5, 7, 7, 9],
    )
    assert compare_metrics(table, None)[0].n == 6


def test_a_declared_metric_that_is_missing_keeps_its_place_in_the_family(
    make_table: MakeTable,
) -> None:
    random = np.random.default_rng(0)
    table = with_metrics(
        make_table,
        control_x=random.lognormal(3, 0.1, 8).tolist(),
        treatment_x=random.lognormal(2, 0.1, 8).tolist(),
    )
    found, gone = compare_metrics(table, ("x", "gone"))
    assert found.p is not None
    assert found.p_holm == pytest.approx(2 * found.p)
    assert (gone.ratio, gone.p, gone.p_holm, gone.n) == (None, None, None, 0)


def test_the_primary_is_no_metric_beside_itself(make_table: MakeTable) -> None:
    table = with_metrics(make_table, control_cost=[1.0] * 8, treatment_cost=[2.0] * 8)
    assert [one.metric for one in compare_metrics(table, None)] == ["cost"]
    assert compare_metrics(table, None, "cost") == []


def test_undeclared_metrics_are_not_tested(make_table: MakeTable) -> None:
    table = with_metrics(make_table, control_x=[1] * 8, treatment_x=[2] * 8)
    assert compare_metrics(table, ()) == []
