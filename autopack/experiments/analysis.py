"""Analyses a table of pairs under a protocol, by the fixed procedure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from autopack.experiments.analysis_remarks import (
    about_replicates,
    earlier_lines,
    void_lines,
    warnings_of,
)
from autopack.experiments.pairs.pair_table import ARMS, PHASE_COUNTS
from autopack.experiments.pairs.resource import with_primary
from autopack.experiments.published import (
    CONFIDENCE,
    MOST_PAIRS_LISTED,
    arm_order,
    cost_of_success,
    description,
    known_values,
    listed_pairs,
    outcomes_of,
    phase_fraction,
    planned_power,
    success_interval,
    void_reasons,
)
from autopack.experiments.shapes import analysis_schema
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.statistics.cost_per_success import cost_per_success
from autopack.experiments.statistics.log_ratio import icc
from autopack.experiments.statistics.paired_success import (
    PairedOutcomes,
)
from autopack.experiments.statistics.ranks import hodges_lehmann, wilcoxon_p
from autopack.experiments.statistics.replicates import Replicated
from autopack.experiments.statistics.secondary import compare_metrics
from autopack.experiments.statistics.sensitivity import (
    early_endings,
    ratio_where_both_succeeded,
)
from autopack.experiments.statistics.sequential import e_value
from autopack.experiments.statistics.token_evidence import (
    PlanGroups,
    weigh_tokens,
)
from autopack.experiments.statistics.totals import (
    ratio_of_totals,
    tokens_per_success_ratio,
)
from autopack.experiments.verdicts.success_axis import SuccessEvidence, weigh_success
from autopack.experiments.verdicts.verdict import (
    decide,
    error_split,
    stopped_at,
)
from autopack.model.errors import BadInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autopack.experiments.pairs.pair_table import PairTable

    Floats = NDArray[np.float64]

_HASHED = 100_000
# What changes the result of the same pairs: the shape of an analysis, and the decision rule.
_RULE = (analysis_schema.SCHEMA_VERSION, 2)


def analyse(
    table: PairTable,
    protocol: AnalysisProtocol,
    *,
    test_id: str | None = None,
    protocol_hash: str | None = None,
    warnings: Sequence[str] = (),
    earlier: Mapping[str, Sequence[float]] | None = None,
) -> analysis_schema.Analysis:
    """Analyse ``table``; the same inputs give the same result to the last bit.

    ``test_id`` defaults to one made from the inputs, ``protocol_hash`` to that of ``protocol``;
    ``warnings`` are what the caller knows about the pairs beyond the table, ``earlier`` the
    primary resource of earlier control runs by plan, which count where the protocol says so.
    Raises BadInput when a monitored table is longer than the protocol allows.
    """
    _refuse_too_many(table, protocol)
    every = with_primary(table, protocol.primary)
    table, rule = by_first_pairs(every, protocol)
    control, treatment = (table.values(f"{arm}_{protocol.primary}") for arm in ARMS)
    plans = cast("list[str]", table.valid["plan"].tolist())
    groups = PlanGroups(plans)
    tokens = weigh_tokens(
        control=control,
        treatment=treatment,
        plans=plans,
        n_void=len(table.void),
        protocol=protocol,
        earlier=earlier,
        refined=None if rule is None else rule.refined(_log_ratios(every, protocol)),
    )
    success = success_of(table, groups, protocol)
    if rule is not None:
        success = _refined(success, every, rule)
    had, got = (table.values(f"{arm}_success") for arm in ARMS)
    sums = [groups.sum(values) for values in (control, treatment, had, got)]
    totals = ratio_of_totals(sums[0], sums[1], seed=protocol.seed)
    cost = cost_per_success(*sums, seed=protocol.seed)
    verdict = decide(
        tokens=tokens,
        success=success,
        n_pairs=len(every.valid),
        n_void=len(table.void),
        protocol=protocol,
        cost=cost,
        totals_interval=totals.interval,
    )
    pair_d = np.log(treatment / control)
    both = ratio_where_both_succeeded(pair_d, plans, had > 0, got > 0)
    early = early_endings(pair_d, plans, had > 0, got > 0)
    ranks = hodges_lehmann(tokens.d)
    digest = input_hash(every, protocol, earlier)
    return analysis_schema.Analysis(
        test_id=test_id or f"csv-{digest[:12]}",
        input_hash=digest,
        protocol_hash=protocol_hash or protocol.hash(),
        decision=verdict.decision,
        also_holds=list(verdict.also),
        primary=protocol.primary,
        resource_axis=verdict.axes[0],
        success_axis=verdict.axes[1],
        rules_out=list(verdict.rules_out),
        next=analysis_schema.NextStep(**asdict(verdict.next)),
        totals_clause=verdict.totals_clause,
        errors=analysis_schema.Errors(**asdict(error_split(protocol))),
        reasons=[*verdict.reasons, *earlier_lines(tokens), *void_lines(table)],
        sentence=verdict.sentence,
        warnings=[*warnings, *warnings_of(table, tokens, early), *about_replicates(rule)],
        seed=protocol.seed,
        n_pairs=len(every.valid),
        n_plans=tokens.summary.n,
        n_void=len(table.void),
        void_reasons=void_reasons(table),
        gmr=tokens.summary.ratio,
        ci=analysis_schema.ReportedInterval(
            lo=tokens.reported.lo,
            hi=tokens.reported.hi,
            level=CONFIDENCE,
            kind=tokens.reported_kind,
        ),
        t=tokens.summary.t,
        df=tokens.summary.df,
        p_t=tokens.summary.p_two,
        p_signflip=tokens.flips.two,
        p_signflip_less=tokens.flips.less,
        skew_interval=analysis_schema.Range(lo=tokens.skew_interval.lo, hi=tokens.skew_interval.hi),
        sd_log=tokens.summary.sd,
        icc=icc(pair_d, plans),
        hodges_lehmann=analysis_schema.HodgesLehmannResult(
            ratio=ranks.ratio, lo=ranks.lo, hi=ranks.hi, achieved_confidence=ranks.achieved
        ),
        wilcoxon_p=wilcoxon_p(tokens.d),
        ratio_of_totals=totals.ratio,
        ratio_of_totals_ci=analysis_schema.Range(lo=totals.interval.lo, hi=totals.interval.hi),
        tokens_per_success_ratio=tokens_per_success_ratio(
            table.values("control_tokens"),
            table.values("treatment_tokens"),
            success.outcomes.n11 + success.outcomes.n10,
            success.outcomes.n11 + success.outcomes.n01,
        ),
        cost_per_success=cost_of_success(cost),
        both_succeeded=analysis_schema.BothSucceeded(
            n=success.outcomes.n11, ratio=both.ratio, **asdict(both.interval(CONFIDENCE))
        ),
        early_endings=analysis_schema.EarlyEnds(
            control=early.control, treatment=early.treatment, ratio_without=early.without
        ),
        earlier_controls=None
        if tokens.earlier is None
        else analysis_schema.EarlierRuns(**asdict(tokens.earlier)),
        e_value=e_value(tokens.monitoring.final_log_e),
        e_bet=e_value(tokens.log_e_bet),
        lost_at=success.lost_at if success.is_seen_lost else None,
        stopped_at=stopped_at(tokens, success),
        monitored=protocol.monitored,
        max_pairs=protocol.max_pairs,
        success=outcomes_of(success),
        success_interval=success_interval(success),
        phase_fraction=phase_fraction(success),
        ni_margin=protocol.ni_margin,
        ni_shown=success.not_inferior(protocol.ni_margin, protocol.margin_alpha),
        equivalence=analysis_schema.Range(
            lo=tokens.equivalence_interval.lo, hi=tokens.equivalence_interval.hi
        ),
        outlier_warning=tokens.has_outlier,
        secondary=compare_metrics(table, protocol.metrics, protocol.primary),
        power=planned_power(tokens.summary.sd),
        description=description(*(table.values(f"{arm}_tokens") for arm in ARMS)),
        metric_descriptions={
            name: description(*known_values(table, name)) for name in table.metrics
        },
        arm_order=arm_order(table),
        pairs=listed_pairs(every),
        pairs_omitted=max(len(every.frame) - MOST_PAIRS_LISTED, 0),
    )


def by_first_pairs(
    table: PairTable, protocol: AnalysisProtocol
) -> tuple[PairTable, Replicated | None]:
    """Return the table of first pairs, with the rule that brings replicates in, where there is one.

    Void pairs stay in it. Without a rule it is the table as it was.
    """
    if protocol.replicated_others is None:
        return table, None
    control, treatment = (table.values(f"{arm}_success") for arm in ARMS)
    plans = [str(plan) for plan in table.valid["plan"]]
    rule = Replicated.of(plans, control != treatment, protocol.replicated_others)
    rule = rule.awaiting(protocol.seed, plans, void=[str(plan) for plan in table.void["plan"]])
    kept = set(table.valid["pair"][rule.first])
    counts = table.frame["pair"].isin(kept) | (table.frame["void"] != "")
    return replace(table, frame=table.frame[counts].reset_index(drop=True)), rule


def _log_ratios(table: PairTable, protocol: AnalysisProtocol) -> Floats:
    control, treatment = (table.values(f"{arm}_{protocol.primary}") for arm in ARMS)
    return np.log(treatment / control)


def _refined(success: SuccessEvidence, table: PairTable, rule: Replicated) -> SuccessEvidence:
    """Success with the plans' differences from both pairs; single outcomes are of first pairs."""
    differences = table.values("treatment_success") - table.values("control_success")
    found = replace(success, runs=replace(success.runs, differences=rule.combine(differences)))
    if success.phases is None:
        return found
    parts = (table.values(f"{arm}_phase_fraction") for arm in reversed(ARMS))
    gaps = np.subtract(*parts)
    return replace(found, phases=replace(success.phases, differences=rule.combine(gaps)))


def input_hash(
    table: PairTable,
    protocol: AnalysisProtocol,
    earlier: Mapping[str, Sequence[float]] | None = None,
) -> str:
    """Return a digest of every cell, in order, of the declared choices and of earlier controls.

    Taken block by block, for the text of a million pairs would fill the memory.
    """
    found = hashlib.sha256(json.dumps([*_RULE, protocol.hash()]).encode())
    for name in sorted(str(column) for column in table.frame.columns):
        column = table.frame[name]
        found.update(f"\0{name}\0".encode())
        for start in range(0, len(column), _HASHED):
            block = column.iloc[start : start + _HASHED]
            if column.dtype.kind in "fb":
                found.update(block.to_numpy(dtype="<f8").tobytes())
            else:
                found.update(json.dumps(block.tolist()).encode())
    if earlier:
        said = {plan: list(amounts) for plan, amounts in earlier.items()}
        found.update(json.dumps(said, sort_keys=True).encode())
    return found.hexdigest()


def _refuse_too_many(table: PairTable, protocol: AnalysisProtocol) -> None:
    # By a rule for replicates every plan may be run again.
    most = (protocol.max_pairs or 0) * (1 if protocol.replicated_others is None else 2)
    if protocol.monitored and most and len(table.frame) > most:
        raise BadInput(
            f"{len(table.frame)} pairs were run but {most} were planned",
            field="max_pairs",
            hint="give the number that was declared before the first pair",
        )


def success_of(table: PairTable, groups: PlanGroups, protocol: AnalysisProtocol) -> SuccessEvidence:
    """Weigh the success of valid pairs. Raises BadInput where phases decide and are unknown."""
    fractions = None
    if table.has_phase_fractions:
        fractions = tuple(table.values(f"{arm}_phase_fraction") for arm in ARMS)
    elif protocol.success_endpoint == "phases":
        raise BadInput(
            "the table has no phase completion, which was declared to decide about success",
            field="success_endpoint",
            hint="add the columns control_phase_fraction and treatment_phase_fraction",
        )
    phases = None
    if table.has_phase_counts:
        phases = PairedOutcomes(*(int(table.values(name).sum()) for name in PHASE_COUNTS))
    control, treatment = (table.valid[f"{arm}_success"].to_numpy(dtype=np.bool_) for arm in ARMS)
    return weigh_success(
        control=control,
        treatment=treatment,
        groups=groups,
        fractions=cast("tuple[Floats, Floats] | None", fractions),
        phases=phases,
        declared=protocol.success_endpoint,
        watched=protocol.ni_margin if protocol.monitored else None,
    )
