"""What pairs that were run before tell a planner: noise of the resources, rates of success."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autopack.experiments.pairs.pair_table import ARMS, PHASE_COUNTS
from autopack.experiments.pairs.resource import with_primary
from autopack.experiments.statistics.log_ratio import log_ratio
from autopack.experiments.statistics.token_evidence import PlanGroups
from autopack.model.errors import BadInput

if TYPE_CHECKING:
    from autopack.experiments.pairs.pair_table import PairTable
    from autopack.experiments.pairs.resource import Primary


@dataclass(frozen=True)
class Pilot:
    """Estimates from pairs; the discordance of few pairs is drawn half a pair towards some.

    With ``phases`` above 1, the rates are about single phases, as many as they are worth where
    the phases of a run go together.
    """

    sd: float
    ratio: float
    discordance: float
    control_rate: float
    phases: int


def read_pilot(table: PairTable, primary: Primary = "tokens") -> Pilot:
    """Return what ``table`` tells. Raises BadInput where its ratios have no spread."""
    table = with_primary(table, primary)
    control, treatment = (table.values(f"{arm}_{primary}") for arm in ARMS)
    groups = PlanGroups([str(plan) for plan in table.valid["plan"]])
    summary = log_ratio(groups.mean(np.log(treatment / control)))
    if not summary.sd or summary.ratio is None:
        raise BadInput(
            "the pilot has no spread to plan with",
            field="pilot",
            hint="give a pilot of at least two plans with different ratios, or --sd",
        )
    had, got = (table.values(f"{arm}_success") for arm in ARMS)
    kinds = (had * got, had * (1 - got), got * (1 - had), (1 - had) * (1 - got))
    both, lost, won, neither = (float(kind.sum()) for kind in kinds)
    phases = 1
    if table.has_phase_counts:
        both, lost, won, neither = (float(table.values(name).sum()) for name in PHASE_COUNTS)
        spread = groups.mean(
            table.values("treatment_phase_fraction") - table.values("control_phase_fraction")
        ).var(ddof=1)
        single = (lost + won) / max(both + lost + won + neither, 1)
        per_run = (both + lost + won + neither) / len(control)
        worth = single / spread if spread > 0 else per_run
        phases = max(1, min(round(worth), round(per_run)))
    total = both + lost + won + neither
    return Pilot(
        sd=summary.sd,
        ratio=summary.ratio,
        discordance=min((lost + won + 0.5) / (total + 1), 1.0),
        control_rate=(both + lost) / total,
        phases=phases,
    )
