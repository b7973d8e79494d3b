"""Secondary metrics: the same paired log ratio, with Holm's correction over the family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from autopack.experiments.shapes.analysis_schema import Secondary
from autopack.experiments.statistics.log_ratio import holm, log_ratio
from autopack.experiments.statistics.token_evidence import PlanGroups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autopack.experiments.pairs.pair_table import PairTable

    Floats = NDArray[np.float64]


def compare_metrics(
    table: PairTable, declared: Sequence[str] | None, primary: str = "tokens"
) -> list[Secondary]:
    """Treatment over control of each declared metric (all in the table when None).

    ``primary`` is what the verdict compares: no metric beside it, and no part of the family.
    Pairs that miss a value are omitted of its metric. A declared metric that the table does
    not have, or that cannot be tested, keeps its place in the family with p = 1.
    """
    given = table.metrics if declared is None else declared
    names = [name for name in given if name != primary]
    results = [_compare(table, name) for name in names]
    adjusted = holm([1.0 if result.p is None else result.p for result in results])
    return [
        result.model_copy(update={"p_holm": None if result.p is None else p})
        for result, p in zip(results, adjusted, strict=True)
    ]


def _compare(table: PairTable, name: str) -> Secondary:
    if name not in table.metrics:
        control = treatment = np.array([], dtype=np.float64)
        plans: list[str] = []
    else:
        control, treatment = table.values(f"control_{name}"), table.values(f"treatment_{name}")
        known = np.isfinite(control) & np.isfinite(treatment)
        control, treatment = control[known], treatment[known]
        plans = [str(plan) for plan in table.valid["plan"][known]]
    offset = zero_offset(control, treatment)
    if len(control) == 0 or offset is None:
        return Secondary(
            metric=name, ratio=None, lo=None, hi=None, p=None, p_holm=None, n=0, offset=0.0
        )
    d = PlanGroups(plans).mean(np.log((treatment + offset) / (control + offset)))
    summary = log_ratio(d)
    interval = summary.interval(0.95)
    return Secondary(
        metric=name,
        ratio=summary.ratio,
        lo=interval.lo,
        hi=interval.hi,
        p=summary.p_two,
        p_holm=None,
        n=summary.n,
        offset=offset,
    )


def zero_offset(control: Floats, treatment: Floats) -> float | None:
    """Return what to add to both arms so that zeros have a ratio: half the smallest positive value.

    Counts such as doctor calls are often 0; leaving those pairs out would keep only the plans
    that needed a doctor. 0 without zeros, None when there is nothing but zeros.
    """
    both = np.concatenate([control, treatment])
    positive = both[both > 0]
    if len(positive) == 0:
        return None
    return 0.0 if len(positive) == len(both) else float(positive.min()) / 2
