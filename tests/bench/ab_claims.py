"""How often a saving, or maintained success, is claimed where it is not there."""

from __future__ import annotations

import math

import numpy as np
from ab_generators import MARGIN, SIGMA

from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.statistics.paired_success import PairedOutcomes
from autopack.experiments.statistics.sequential import monitor
from autopack.experiments.statistics.token_evidence import PlanGroups, weigh_tokens
from autopack.experiments.verdicts.success_axis import weigh_success


def protocol_for(pairs: int, *, monitored: bool) -> AnalysisProtocol:
    return AnalysisProtocol(monitored=monitored, max_pairs=pairs if monitored else None)


def false_saves_with_replicates(
    *, plans: int, replicates: int, between: float, by_plan: bool, repetitions: int, seed: int
) -> float:
    """Rate of fewer tokens at a true ratio of 1 when every plan is run ``replicates`` times.

    ``between`` is the share of the variance of the log ratio that lies between plans.
    """
    random = np.random.default_rng([seed, plans, replicates, by_plan])
    pairs = plans * replicates
    protocol = protocol_for(pairs, monitored=True)
    index = np.arange(pairs)
    plan = index // replicates if by_plan else index % plans
    names = [str(number) for number in plan]
    saves = 0
    for _ in range(repetitions):
        effect = math.sqrt(between) * random.standard_normal(plans)
        d = SIGMA * (effect[plan] + math.sqrt(1 - between) * random.standard_normal(pairs))
        stop = monitor(d, names).stopped_at or pairs
        tokens = weigh_tokens(
            control=np.full(stop, 1e5),
            treatment=1e5 * np.exp(d[:stop]),
            plans=names[:stop],
            n_void=0,
            protocol=protocol,
        )
        early = tokens.stopped_at is not None and tokens.stopped_direction < 0
        late = tokens.stopped_at is None and (tokens.test_interval.hi or math.inf) < 1
        saves += early or (late and (tokens.flips.less or 0.0) <= tokens.side_alpha)
    return saves / repetitions


def claims_of_maintained_success(
    *,
    phases: int,
    control_rate: float,
    treatment_rate: float,
    plans: int,
    repetitions: int,
    seed: int,
) -> float:
    """Rate at which phase completion is called maintained within ten points."""
    random = np.random.default_rng([seed, phases, plans, round(100 * control_rate)])
    claims = 0
    for _ in range(repetitions):
        control = random.random((plans, phases)) < control_rate
        treatment = random.random((plans, phases)) < treatment_rate
        evidence = weigh_success(
            control=control.all(axis=1),  # pyright: ignore[reportArgumentType]
            treatment=treatment.all(axis=1),  # pyright: ignore[reportArgumentType]
            groups=PlanGroups([str(plan) for plan in range(plans)]),
            fractions=(control.mean(axis=1), treatment.mean(axis=1)),
            phases=PairedOutcomes.count(control.ravel(), treatment.ravel()),
            declared="phases",
        )
        claims += evidence.not_inferior(MARGIN)
    return claims / repetitions
