"""Earlier control runs narrow the control side, and are turned off where something drifted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from autopack.experiments.analysis import analyse
from autopack.experiments.pairs.earlier_csv import read_earlier
from autopack.experiments.pairs.pairs_reading import table_of
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.shapes.analysis_schema import Analysis
from autopack.experiments.statistics.earlier import refine
from autopack.model.errors import BadInput

DECLARED = AnalysisProtocol(earlier_days=30)


def experiment(*, drift: float = 1.0, known: int = 20) -> tuple[Analysis, Analysis]:
    """Twenty plans, three earlier control runs each: without them and with them."""
    random = np.random.default_rng(7)
    task = np.exp(random.normal(11, 0.6, 20))
    control, treatment = (task * np.exp(random.normal(0, 0.6, 20)) for _ in range(2))
    earlier = {
        f"l{i}": (task[i] * drift * np.exp(random.normal(0, 0.6, 3))).tolist() for i in range(known)
    }
    table = table_of(
        [
            {
                "pair": i,
                "plan": f"l{i}",
                "control_tokens": control[i],
                "treatment_tokens": 0.6 * treatment[i],
                "control_success": True,
                "treatment_success": True,
            }
            for i in range(20)
        ]
    )
    return analyse(table, AnalysisProtocol()), analyse(table, DECLARED, earlier=earlier)


def test_they_narrow_the_interval() -> None:
    plain, refined = experiment()
    assert refined.earlier_controls is not None
    assert refined.earlier_controls.used
    assert (refined.earlier_controls.plans, refined.earlier_controls.runs) == (20, 60)
    assert refined.sd_log is not None
    assert plain.sd_log is not None
    assert refined.sd_log < 0.9 * plain.sd_log
    assert refined.earlier_controls.variance == pytest.approx((refined.sd_log / plain.sd_log) ** 2)
    assert any("60 earlier control runs of 20 plans count" in text for text in refined.reasons)
    assert refined.input_hash != plain.input_hash


@pytest.mark.parametrize(
    ("drift", "known", "why"),
    [
        (2.5, 20, "something drifted in between"),
        (0.4, 20, "something drifted in between"),
        (1.0, 6, "only 6 plans have earlier controls"),
        (1.0, 0, "only 0 plans"),
    ],
)
def test_they_are_turned_off_where_they_may_mislead(drift: float, known: int, why: str) -> None:
    plain, refined = experiment(drift=drift, known=known)
    assert refined.earlier_controls is not None
    assert not refined.earlier_controls.used
    assert why in (refined.earlier_controls.why_not or "")
    assert refined.gmr == plain.gmr


def test_one_estimate_of_control_from_all_its_runs() -> None:
    """Two pairs of a plan and three earlier runs: five runs of equal weight."""
    plans = [f"l{i // 2}" for i in range(16)]
    random = np.random.default_rng(1)
    control, d = np.exp(random.normal(5, 0.5, 16)), random.normal(0, 0.3, 16)
    earlier = {f"l{i}": np.exp(random.normal(5, 0.5, 3)).tolist() for i in range(8)}
    refined, found = refine(d, control, plans, earlier)
    assert found.used
    treatment = np.log(control[:2]) + d[:2]
    every = [*np.log(control[:2]), *np.log(earlier["l0"])]
    assert refined[:2].mean() == pytest.approx(treatment.mean() - math.fsum(every) / 5)


def test_a_file_of_earlier_runs(tmp_path: Path) -> None:
    path = tmp_path / "earlier.csv"
    path.write_text("Plan,Tokens\na,100\na,120.5\nb,7\n", encoding="utf-8")
    assert read_earlier(path) == {"a": [100.0, 120.5], "b": [7.0]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plan,x\na,1\n", "column tokens is missing"),
        ("plan,tokens\na,0\n", "line 2, tokens: '0'"),
        ("plan,tokens\n,5\n", "line 2, plan: the cell is empty"),
        # a number with a separator is not its first part, nor a thousandth
        ("plan,tokens\na,5\na,1,037\n", "line 3: 3 cells under a header of 2"),
        ("plan,tokens\na,1.000\n", "line 2, tokens: '1.000' may be a thousand or one"),
        ("plan,tokens\na\n", "line 2: 1 cells"),
        ("plan,tokens,Tokens\na,1,2\n", "column tokens is there twice"),
        ("plan,tokens,x,x\na,1,2,3\n", "column x is there twice"),
        ("plan,tokens\n", "holds no runs"),
        ("", "column plan is missing"),
        ('plan,tokens\na,"1"2\n', "line 2"),
        # neither ends a line
        ("plan,tokens\na\u2028b,1\fc,2\n", "line 2: 3 cells"),
    ],
)
def test_a_row_that_would_be_misread_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "earlier.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=said) as refused:
        read_earlier(path)
    assert refused.value.field == "earlier_controls"


@pytest.mark.parametrize(
    ("text", "line"), [("plan,{}\na,1\n", 1), ("plan,tokens\na,{}\n", 2)], ids=["header", "cell"]
)
def test_a_cell_that_is_too_long(text: str, line: int, tmp_path: Path) -> None:
    file = tmp_path / "earlier.csv"
    file.write_text(text.format("1" * 131_073))
    with pytest.raises(BadInput, match=f"line {line}") as refused:
        read_earlier(file)
    assert refused.value.field == "earlier_controls"
