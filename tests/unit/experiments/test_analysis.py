"""An analysis is complete, finite and the same for the same inputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from autopack.experiments.analysis import analyse, input_hash
from autopack.experiments.pairs.pair_table import PairTable
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.shapes.analysis_schema import SCHEMA_FILE, json_schema
from autopack.model.errors import BadInput

Arms = Callable[..., tuple[list[float], list[float]]]
MakeTable = Callable[..., PairTable]
PROTOCOL = AnalysisProtocol()


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def test_the_published_schema_is_that_of_the_code() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == json_schema()


@pytest.mark.parametrize("n", [1, 2, 3, 6, 7, 30])
@pytest.mark.parametrize("monitored", [False, True])
def test_every_size_gives_json_of_the_published_schema(
    make_table: MakeTable, noisy_arms: Arms, n: int, monitored: bool
) -> None:
    control, treatment = (arm[:n] for arm in noisy_arms(30, 0.7))
    protocol = AnalysisProtocol(monitored=monitored, max_pairs=40 if monitored else None)
    text = analyse(make_table(control, treatment), protocol).model_dump_json()
    jsonschema.validate(json.loads(text, parse_constant=no_constant), json.loads(json_schema()))


@pytest.mark.parametrize(
    ("control", "treatment"),
    [
        ([100.0] * 9, [100.0] * 9),  # nothing differs
        ([100.0] * 9, [50.0] * 9),  # everything differs alike
        ([1e15] * 9, [1e-6] * 9),  # as far as tokens may differ
        ([1e15, 1e-6] * 5, [1e-6, 1e15] * 5),
    ],
)
def test_degenerate_tokens_give_finite_json(
    make_table: MakeTable, control: list[float], treatment: list[float]
) -> None:
    for protocol in (PROTOCOL, AnalysisProtocol(monitored=True, max_pairs=10)):
        text = analyse(make_table(control, treatment), protocol).model_dump_json()
        json.loads(text, parse_constant=no_constant)


def test_only_void_pairs_leave_everything_unknown(make_table: MakeTable) -> None:
    analysis = analyse(make_table([None], [None], void=["a; b"]), PROTOCOL)
    assert (analysis.n_pairs, analysis.n_plans, analysis.n_void) == (0, 0, 1)
    assert analysis.void_reasons == {"a": 1, "b": 1}
    assert (analysis.gmr, analysis.p_t, analysis.ci.lo, analysis.success.diff) == (None,) * 4
    assert analysis.e_value == 1


def test_void_pairs_change_no_number(make_table: MakeTable, noisy_arms: Arms) -> None:
    control, treatment = noisy_arms(20, 0.7)
    clean = analyse(make_table(control, treatment), PROTOCOL)
    void = analyse(
        make_table([*control, 5.0], [*treatment, 5e9], void=[""] * 20 + ["drift"]), PROTOCOL
    )
    assert (clean.gmr, clean.p_signflip) == (void.gmr, void.p_signflip)
    assert clean.ratio_of_totals_ci == void.ratio_of_totals_ci
    assert void.pairs[-1].void == "drift"


def test_replicates_count_plans(make_table: MakeTable, noisy_arms: Arms) -> None:
    control, treatment = noisy_arms(40, 0.7)
    plans = [f"plan{i % 10}" for i in range(40)]
    analysis = analyse(make_table(control, treatment, plan=plans), PROTOCOL)
    d = np.log(np.array(treatment) / np.array(control)).reshape(4, 10).mean(axis=0)
    assert (analysis.n_pairs, analysis.n_plans, analysis.df) == (40, 10, 9)
    assert analysis.gmr == pytest.approx(float(np.exp(d.mean())))
    assert analysis.sd_log == pytest.approx(float(d.std(ddof=1)))
    assert analysis.icc is not None


def test_icc_of_plans_that_explain_everything(make_table: MakeTable) -> None:
    ratios = np.repeat([0.5, 0.7, 1.0, 1.2], 3)
    table = make_table([100.0] * 12, (100 * ratios).tolist(), plan=np.repeat(range(4), 3).tolist())
    assert analyse(table, PROTOCOL).icc == pytest.approx(1)


def test_the_same_inputs_give_the_same_bytes(make_table: MakeTable, noisy_arms: Arms) -> None:
    arms = noisy_arms(40, 0.8)
    first, second = (analyse(make_table(*arms), PROTOCOL).model_dump_json() for _ in range(2))
    assert first == second


def test_the_input_hash_sees_every_input(make_table: MakeTable, noisy_arms: Arms) -> None:
    control, treatment = noisy_arms(10, 0.8)
    hashes = {
        input_hash(table, protocol)
        for table, protocol in (
            (make_table(control, treatment), PROTOCOL),
            (make_table([*control[:-1], 1.0], treatment), PROTOCOL),
            (make_table(control[::-1], treatment[::-1]), PROTOCOL),
            (make_table(control, treatment, void=["x"] + [""] * 9), PROTOCOL),
            (make_table(control, treatment, control_x=[1] * 10, treatment_x=[1] * 10), PROTOCOL),
            (make_table(control, treatment), AnalysisProtocol(seed=1)),
            (make_table(control, treatment), AnalysisProtocol(ni_margin=0.05)),
        )
    }
    assert len(hashes) == 7


def test_the_input_hash_survives_the_way_in(make_table: MakeTable, tmp_path: Path) -> None:
    from autopack.experiments.pairs.pairs_csv import read_pairs

    table = make_table([1000.0, 2000.0], [900.5, 1800.0])
    table.frame.drop(
        columns=["control_phase_fraction", "treatment_phase_fraction", "void", "first"]
    ).to_csv(tmp_path / "pairs.csv", index=False)
    assert input_hash(read_pairs(tmp_path / "pairs.csv"), PROTOCOL) == input_hash(table, PROTOCOL)


def test_a_given_identity_is_kept(make_table: MakeTable, noisy_arms: Arms) -> None:
    analysis = analyse(
        make_table(*noisy_arms(8, 0.8)), PROTOCOL, test_id="exp-1", protocol_hash="abc"
    )
    assert (analysis.test_id, analysis.protocol_hash) == ("exp-1", "abc")


def test_the_order_of_arms_is_counted(make_table: MakeTable) -> None:
    first = ["control", "control", "treatment", "together", ""]
    table = make_table([1.0] * 5, [1.0] * 5, first=first)
    assert analyse(table, PROTOCOL).arm_order == {
        "control_first": 2,
        "treatment_first": 1,
        "together": 1,
        "unknown": 1,
    }


def test_more_pairs_than_planned_are_refused(make_table: MakeTable, noisy_arms: Arms) -> None:
    with pytest.raises(BadInput, match="9 pairs were run but 8 were planned"):
        analyse(make_table(*noisy_arms(9, 0.8)), AnalysisProtocol(monitored=True, max_pairs=8))


def test_monitoring_needs_an_end() -> None:
    with pytest.raises(ValueError, match="needs max_pairs"):
        AnalysisProtocol(monitored=True)
