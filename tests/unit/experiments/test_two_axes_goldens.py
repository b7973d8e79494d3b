"""Figures of the second axis against R 4.2 (``tests/data/ab/two_axes.R``), to 1e-6."""

from __future__ import annotations

import numpy as np
import pytest

from autopack.experiments.analysis import analyse
from autopack.experiments.pairs.pairs_reading import table_of
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.statistics.cost_per_success import fieller
from autopack.experiments.statistics.earlier import refine
from autopack.experiments.statistics.log_ratio import log_ratio
from autopack.experiments.statistics.paired_success import PairedOutcomes, tango_interval
from autopack.experiments.verdicts.success_axis import t_limits

CONTROL = [1200, 950, 3100, 780, 1500, 2200, 640, 1750, 990, 1310, 2600, 870]
TREATMENT = [900, 700, 3300, 600, 1100, 1500, 700, 1200, 640, 1000, 2100, 610]
HAD = [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1]
GOT = [1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1]
EARLIER = [
    *([1100, 1250], [900, 1010, 880], [3000], [800, 760], [1450], [2100, 2300], [600]),
    *([1800, 1700], [1000], [1290], [2500, 2700], [850]),
]


def near(*values: float) -> object:
    return pytest.approx(values, abs=1e-6)


def test_an_analysis() -> None:
    rows = zip(CONTROL, TREATMENT, HAD, GOT, strict=True)
    names = ("control_tokens", "treatment_tokens", "control_success", "treatment_success")
    table = table_of(
        [{"pair": i, "plan": i, **dict(zip(names, row, strict=True))} for i, row in enumerate(rows)]
    )
    found = analyse(table, AnalysisProtocol())
    assert (found.gmr, found.ci.lo, found.ci.hi) == near(
        0.775652427555, 0.698096560328, 0.861824456046
    )
    cost = found.cost_per_success
    assert cost is not None
    assert (cost.ratio, cost.lo, cost.hi) == near(0.721911682504, 0.499595369876, 1.04315714028)
    both = found.both_succeeded
    assert both is not None
    assert (both.n, both.ratio, both.lo, both.hi) == near(
        8, 0.780579884487, 0.690976807933, 0.881802325448
    )
    # The wider of t over plans and Tango's is what decides.
    decides = found.success_interval
    assert decides is not None
    assert (decides.lo, decides.hi) == near(-0.244101961827, 0.410503389027)


def test_limits_of_success() -> None:
    differences = np.array(GOT, dtype=np.float64) - np.array(HAD)
    assert t_limits(differences, 0.95) == near(-0.243836722361, 0.410503389027)
    assert t_limits(differences, 0.90) == near(-0.183619732416, 0.350286399083)
    outcomes = PairedOutcomes.count(np.array(HAD) > 0, np.array(GOT) > 0)
    assert tango_interval(outcomes, 0.95) == near(-0.244101961827, 0.397456813884)
    assert tango_interval(outcomes, 0.90) == near(-0.183966882152, 0.344728783639)


def test_fiellers_interval() -> None:
    found = fieller(np.array(CONTROL, dtype=np.float64), np.array(TREATMENT, dtype=np.float64))
    assert (found.lo, found.hi) == near(0.65289200841, 0.909215803185)


def test_earlier_controls_and_their_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    control = np.array(CONTROL, dtype=np.float64)
    d = np.log(np.array(TREATMENT) / control)
    plans = [f"l{i:02d}" for i in range(12)]
    earlier = {plan: [float(x) for x in runs] for plan, runs in zip(plans, EARLIER, strict=True)}
    _, found = refine(d, control, plans, earlier)
    assert (found.drift, found.p) == near(0.982771082791, 0.0142338917344)
    assert not found.used
    # As if the drift had not been found.
    monkeypatch.setattr("autopack.experiments.statistics.earlier.DRIFT_ALPHA", 0.01)
    refined, found = refine(d, control, plans, earlier)
    assert found.used
    summary = log_ratio(refined)
    interval = summary.interval(0.95)
    assert (summary.ratio, interval.lo, interval.hi, summary.sd) == near(
        0.783077274798, 0.701409827479, 0.874253530933, 0.17334637637
    )
