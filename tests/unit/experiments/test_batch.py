"""The rule for many experiments at once is the rule that users run."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autopack.experiments.analysis import analyse
from autopack.experiments.pairs.pair_table import PHASE_COUNTS, PairTable
from autopack.experiments.pairs.pairs_reading import table_of
from autopack.experiments.planning.batch import (
    DECISIONS,
    RESOURCES,
    SUCCESSES,
    Rows,
    decide_rows,
)
from autopack.experiments.planning.batch_success import SuccessRows
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol

EXPERIMENTS = 8


def draw(n: int, phases: int, seed: int) -> Rows:
    """Experiments of many kinds: from nothing to large effects, on both axes."""
    random = np.random.default_rng(seed)
    shape = (EXPERIMENTS, n)
    effect = random.choice([-0.6, 0.0, 0.6], EXPERIMENTS)[:, None]
    spread = random.choice([0.05, 0.3, 0.8], EXPERIMENTS)[:, None]
    control = np.exp(random.normal(10, 1, shape))
    treatment = control * np.exp(random.normal(effect, spread, shape))
    rates = [random.choice([0.2, 0.6, 0.9, 1.0], EXPERIMENTS)[:, None] for _ in range(2)]
    if phases == 1:
        had, got = (random.random(shape) < rate for rate in rates)
        return Rows(control, treatment, SuccessRows(had, got))
    first, second = (random.random((*shape, phases)) < rate[..., None] for rate in rates)
    counts = tuple(
        one.sum(axis=2)
        for one in (first & second, first & ~second, ~first & second, ~first & ~second)
    )
    assert len(counts) == 4
    return Rows(control, treatment, SuccessRows(first.all(axis=2), second.all(axis=2), (*counts,)))  # pyright: ignore[reportArgumentType]


def table(rows: Rows, number: int, pairs: int) -> PairTable:
    records: list[dict[str, object]] = []
    for i in range(pairs):
        record: dict[str, object] = {
            "pair": i,
            "plan": i,
            "control_tokens": rows.control[number, i],
            "treatment_tokens": rows.treatment[number, i],
            "control_success": rows.success.control[number, i],
            "treatment_success": rows.success.treatment[number, i],
        }
        if rows.success.phases is not None:
            counts = [int(one[number, i]) for one in rows.success.phases]
            total = sum(counts)
            record |= dict(zip(PHASE_COUNTS, counts, strict=True))
            record["control_phase_fraction"] = (counts[0] + counts[1]) / total
            record["treatment_phase_fraction"] = (counts[0] + counts[2]) / total
        records.append(record)
    return table_of(records)


@pytest.mark.parametrize("n", [5, 7, 13, 40])
@pytest.mark.parametrize(
    ("phases", "endpoint", "monitored", "least"),
    [
        (1, None, False, None),
        (1, None, True, None),
        (1, None, True, 5),
        (4, None, True, None),
        (4, "phases", False, None),
        (4, "runs", False, None),
    ],
)
def test_it_decides_as_an_analysis_does(
    n: int, phases: int, endpoint: str | None, monitored: bool, least: int | None
) -> None:
    rows = draw(n, phases, seed=n + phases)
    protocol = AnalysisProtocol.model_validate(
        {
            "monitored": monitored,
            "max_pairs": n if monitored else None,
            "min_pairs": least,
            "success_endpoint": endpoint,
        }
    )
    decided = decide_rows(rows, protocol)
    for number in range(EXPERIMENTS):
        found = analyse(table(rows, number, int(decided.pairs[number])), protocol)
        assert found.decision is DECISIONS[decided.decision[number]]
        if n >= 7:
            assert found.resource_axis is RESOURCES[decided.resource[number]]
            assert found.success_axis is SUCCESSES[decided.success[number]]
        assert found.ci.lo is not None
        assert math.log(found.ci.lo) == pytest.approx(float(decided.lo[number]))
