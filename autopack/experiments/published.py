"""The parts of an analysis in the shape in which it is published."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from autopack.experiments.shapes import analysis_schema
from autopack.experiments.statistics.cost_per_success import CostPerSuccess
from autopack.experiments.statistics.paired_success import (
    mean_and_lower_limit,
    score_lower_limit,
)
from autopack.experiments.statistics.power import pairs_needed
from autopack.experiments.statistics.sequential import MIN_PLANS
from autopack.experiments.statistics.totals import (
    describe,
)
from autopack.experiments.verdicts.success_axis import SuccessEvidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autopack.experiments.pairs.pair_table import PairTable

    Floats = NDArray[np.float64]

CONFIDENCE = 0.95
PLANNED_RATIOS = (0.9, 0.8, 0.7)
# More pairs than this are counted, but neither listed nor drawn.
MOST_PAIRS_LISTED = 20_000


def cost_of_success(cost: CostPerSuccess) -> analysis_schema.CostOfSuccess:
    """Return what a success costs."""
    return analysis_schema.CostOfSuccess(
        ratio=cost.ratio,
        lo=cost.interval.lo,
        hi=cost.interval.hi,
        control=cost.control,
        treatment=cost.treatment,
        per_further_success=cost.per_further_success,
        bootstrap=analysis_schema.Range(**asdict(cost.bootstrap)),
        fieller=None if cost.fieller is None else analysis_schema.Range(**asdict(cost.fieller)),
    )


def success_interval(success: SuccessEvidence) -> analysis_schema.SuccessInterval:
    """Return the interval of the endpoint that decides."""
    lo, hi = success.main.limits(CONFIDENCE)
    return analysis_schema.SuccessInterval(
        endpoint=success.endpoint, declared=success.declared, diff=success.diff, lo=lo, hi=hi
    )


def phase_fraction(success: SuccessEvidence) -> analysis_schema.PhaseFraction:
    """Phase completion, or success of whole runs where it stands in."""
    endpoint = success.phases or success.runs
    return analysis_schema.PhaseFraction(
        diff=endpoint.diff,
        lower=mean_and_lower_limit(endpoint.differences)[1],
        score_lower=score_lower_limit(endpoint.outcomes),
    )


def outcomes_of(success: SuccessEvidence) -> analysis_schema.Success:
    """Return single outcomes, with their difference and its interval."""
    lo, hi = success.tango or (None, None)
    return analysis_schema.Success(
        **asdict(success.outcomes),
        diff=success.outcomes.diff,
        tango_lo=lo,
        tango_hi=hi,
        mid_p=success.mid_p,
    )


def planned_power(sd: float | None) -> analysis_schema.PowerResult:
    """Return how many pairs the planned ratios need; None where the noise is unknown."""
    found = {str(ratio): pairs_needed(ratio, sd) if sd else None for ratio in PLANNED_RATIOS}
    needed = {ratio: None if n is None else max(n, MIN_PLANS) for ratio, n in found.items()}
    return analysis_schema.PowerResult(sd_used=sd, pairs_for=needed)


def description(control: Floats, treatment: Floats) -> analysis_schema.Description:
    """Return what both arms used, as plain description."""
    spent = float(control.sum())
    change = 100 * (float(treatment.sum()) - spent) / spent if spent else None
    return analysis_schema.Description(
        control=describe(control),
        treatment=describe(treatment),
        delta=describe(treatment - control),
        percent_change=change,
    )


def known_values(table: PairTable, metric: str) -> tuple[Floats, Floats]:
    """Return a metric of both arms where both are known."""
    control, treatment = table.values(f"control_{metric}"), table.values(f"treatment_{metric}")
    known = np.isfinite(control) & np.isfinite(treatment)
    return control[known], treatment[known]


def void_reasons(table: PairTable) -> dict[str, int]:
    """Return how often each reason was given; a pair may have several, separated by semicolons."""
    given = (part.strip() for cell in table.void["void"] for part in str(cell).split(";"))
    return dict(sorted(Counter(reason for reason in given if reason).items()))


def arm_order(table: PairTable) -> dict[str, int]:
    """Return how often each arm came first."""
    firsts = table.valid["first"]
    names = {
        "control_first": "control",
        "treatment_first": "treatment",
        "together": "together",
        "unknown": "",
    }
    return {name: int((firsts == first).sum()) for name, first in names.items()}


def listed_pairs(table: PairTable) -> list[analysis_schema.PairResult]:
    """Return the pairs that are listed one by one."""
    return [
        analysis_schema.PairResult(
            pair=row["pair"],
            plan=row["plan"],
            control_tokens=row["control_tokens"],
            treatment_tokens=row["treatment_tokens"],
            ratio=row["treatment_tokens"] / row["control_tokens"],
            percent_change=100 * (row["treatment_tokens"] / row["control_tokens"] - 1),
            control_success=row["control_success"],
            treatment_success=row["treatment_success"],
            control_phase_fraction=row["control_phase_fraction"],
            treatment_phase_fraction=row["treatment_phase_fraction"],
            first=row["first"] or None,
            void=row["void"] or None,
            control_metrics={name: row[f"control_{name}"] for name in table.metrics},
            treatment_metrics={name: row[f"treatment_{name}"] for name in table.metrics},
        )
        for row in table.frame.head(MOST_PAIRS_LISTED).to_dict("records")
    ]
