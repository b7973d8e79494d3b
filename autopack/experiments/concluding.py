"""Concludes experiments: judges the pairs that were run, analyses them, keeps what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autopack.experiments.analysis import (
    analyse,
    by_first_pairs,
    input_hash,
    success_of,
)
from autopack.experiments.design.added_budget import OUT_OF_BUDGET
from autopack.experiments.design.cautions import phases_needed
from autopack.experiments.design.earlier_runs import earlier_controls
from autopack.experiments.design.layout import ARM_NAMES
from autopack.experiments.design.registration import Registered
from autopack.experiments.design.replacement import (
    last_of_each,
    standing,
    voids_that_count,
    was_cut,
)
from autopack.experiments.pairs.pairs_reading import check_metrics
from autopack.experiments.pairs.resource import with_primary
from autopack.experiments.recorded.from_runs import JudgedPairs, RunPair, judge_pairs
from autopack.experiments.recorded.matching import match_runs, say_undeclared
from autopack.experiments.report.write_report import write_report
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.shapes.analysis_schema import (
    Analysis,
    ExposureResult,
    Metadata,
    NextStep,
    PairRuns,
)
from autopack.experiments.shapes.matrix import Decision, ResourceAxis, SuccessAxis
from autopack.experiments.statistics.earlier import refine
from autopack.experiments.statistics.sequential import monitor
from autopack.experiments.statistics.token_evidence import PlanGroups, looks_alpha
from autopack.experiments.verdicts.verdict import MAX_VOID_SHARE
from autopack.experiments.verdicts.wording import count
from autopack.ledger.stored_views import is_on, record_measured_saving
from autopack.model.features import Feature, kill_switches
from autopack.model.fingerprint import Fingerprint, Treatment
from autopack.settings import Settings, process_environment
from autopack.store.database.engine import Database
from autopack.store.experiment_records import (
    PairRow,
    get_pairs,
    get_test,
    record_result,
)

# So many replaced pairs that all failed in one arm are no accident.
_ONE_SIDED = 3


@dataclass(frozen=True, kw_only=True)
class Concluded:
    """An analysis and the pairs it is of."""

    analysis: Analysis
    judged: JudgedPairs


def weighed(pairs: Sequence[PairRow]) -> list[PairRow]:
    """Return the pairs that count by now: finished, and every one planned before them finished,
    too.

    So no look depends on which pairs happen to be quick.
    """
    found: list[PairRow] = []
    for pair in pairs:
        if pair.finished_at is None:
            break
        found.append(pair)
    return found


def judge(db: Database, registered: Registered, pairs: Sequence[PairRow]) -> JudgedPairs:
    """Judge pairs of an experiment, from what was recorded of their runs."""
    mine = {pair.number for pair in pairs}
    others = [pair.runs for pair in get_pairs(db, registered.test_id) if pair.number not in mine]
    return judge_pairs(
        db,
        [
            RunPair(
                pair_id=f"{pair.number:04d}",
                plan=pair.plan_name,
                control=pair.control_run_id,
                treatment=pair.treatment_run_id,
                declared=registered.declaration(pair),
                first=pair.first,
            )
            for pair in pairs
        ],
        also_used=others,
    )


def enough(db: Database, registered: Registered) -> str | None:
    """Return why no further pair is needed; None while the evidence does not suffice.

    Tokens decide when to stop, by the sequential rule, and success where it is shown to be lost.
    A saving is not acted upon before so many phases have run as show maintained success when all
    of them complete: that number is known beforehand, so waiting for it bends no error rate.
    """
    pairs = get_pairs(db, registered.test_id)
    planned = registered.declared.planned
    finished = weighed(pairs)
    if len(finished) == len(pairs):
        cut = [pair.number for pair in last_of_each(pairs) if was_cut(pair)]
        if cut:
            return f"{OUT_OF_BUDGET} ended pair {cut[0]}"
        void = sum(pair.replaces is not None for pair in pairs)
        more = len(pairs) - planned - void
        again = f", and {count(void, 'void pair')} again" if void else ""
        again += f", and {count(more, 'replicate')}" if more > 0 else ""
        return f"all {planned} planned pairs were run{again}"
    void = voids_that_count(get_test(db, registered.test_id), finished)
    if void > MAX_VOID_SHARE * planned:
        return f"{void} pairs are void, more than a fifth of all that are planned"
    finished = [pair for pair in standing(finished) if not was_cut(pair)]
    if not finished:
        return None
    primary = registered.protocol.primary
    judged = judge(db, registered, finished)
    table, _ = by_first_pairs(with_primary(judged.table, primary), registered.protocol)
    import numpy as np

    control, treatment = (table.values(f"{arm}_{primary}") for arm in ARM_NAMES)
    plans = [str(plan) for plan in table.valid["plan"]]
    of = f"after {len(finished)} of {planned} planned pairs"
    if success_of(table, PlanGroups(plans), registered.protocol).is_seen_lost:
        return f"success was shown to be lost {of}"
    d = np.log(treatment / control)
    if registered.protocol.earlier_days is not None:
        d, _ = refine(d, control, plans, earlier_controls(db, registered, judged))
    seen = monitor(
        d,
        plans,
        min_pairs=registered.protocol.min_pairs,
        alpha=looks_alpha(registered.protocol),
    )
    if seen.stopped_at is None:
        return None
    valid = set(table.valid["pair"])
    # A plan counts once where success is judged, however often it was run.
    run = {pair.plan_name for pair in finished if f"{pair.number:04d}" in valid}
    protocol = registered.protocol
    outcomes = len(run)
    if protocol.success_endpoint != "runs":
        outcomes = sum(len(registered.plans[name].phases) for name in run)
    if seen.direction < 0 and outcomes < phases_needed(protocol.ni_margin, protocol.margin_alpha):
        return None
    return f"the evidence sufficed {of}"


def conclude(db: Database, registered: Registered, *, settings: Settings) -> Concluded | None:
    """Analyse the pairs that count by now; keep the result, the savings and the report.

    None before the first pair has finished. Doing it again with the same pairs changes nothing.
    """
    ended = weighed(get_pairs(db, registered.test_id))
    if not ended:
        return None
    pairs = standing(ended)
    judged = judge(db, registered, pairs)
    test = get_test(db, registered.test_id)
    starved = test.stop_reason is not None and test.stop_reason.startswith(OUT_OF_BUDGET)
    analysis = analysed(
        judged,
        registered.protocol,
        test_id=registered.test_id,
        protocol_hash=registered.protocol_hash,
        warnings=[*([test.stop_reason or ""] if starved else []), *_left_out(ended, pairs)],
        earlier=earlier_controls(db, registered, judged),
    )
    state = {"finished": test.finished_at is not None, "stop_reason": test.stop_reason}
    concluded = Concluded(analysis=analysis.model_copy(update=state), judged=judged)
    keep(db, concluded)
    write_report(concluded.analysis, report_folder(settings, registered.test_id))
    return concluded


def _left_out(ended: Sequence[PairRow], counted: Sequence[PairRow]) -> list[str]:
    """Return which pairs that ended stand for nothing that was planned, and why."""
    numbers = {pair.number for pair in counted}
    out = [pair for pair in ended if pair.number not in numbers]
    found = [
        f"pair {pair.number} was run again as another pair: {'; '.join(pair.errors or [])}"
        for pair in out
        if not was_cut(pair)
    ]
    arms = Counter(
        arm
        for pair in out
        for arm in ARM_NAMES
        if not was_cut(pair) and any(f" {arm}" in error for error in pair.errors or ())
    )
    arm, times = max(arms.items(), key=lambda one: one[1], default=("", 0))
    if times >= _ONE_SIDED and times == arms.total():
        found.append(f"all {times} pairs that were run again were void for their {arm} arm")
    found += [
        f"the budget ended pair {pair.number} while it ran: it does not count"
        for pair in out
        if was_cut(pair)
    ]
    return found


def conclude_runs(
    db: Database,
    control: Sequence[str],
    treatment: Sequence[str],
    *,
    varies: Collection[Treatment] | None,
    protocol: AnalysisProtocol,
) -> Analysis:
    """Analyse two lists of recorded runs, matched by plan and order, and keep what came of it.

    ``varies`` is what the arms may differ in; None takes it from the runs, and says so.
    Raises NotFound for an unknown run and BadInput for one without a partner, and for a metric
    that runs do not have.
    """
    pairs = match_runs(db, control, treatment, varies=varies)
    judged = judge_pairs(db, pairs)
    check_metrics(judged.table, protocol.metrics)
    analysis = analysed(
        judged,
        protocol,
        test_id=f"runs-{input_hash(judged.table, protocol)[:12]}",
        warnings=[say_undeclared(pairs, judged.facts)] if varies is None else [],
    )
    # What these runs saved is for their own registered pairs to say, if they have any.
    record_result(db, analysis.model_dump(mode="json"))
    return analysis


def analysed(
    judged: JudgedPairs,
    protocol: AnalysisProtocol,
    *,
    test_id: str | None,
    protocol_hash: str | None = None,
    warnings: Sequence[str] = (),
    earlier: Mapping[str, Sequence[float]] | None = None,
) -> Analysis:
    """Return the analysis of judged pairs, with which runs they are and what these started from."""
    analysis = analyse(
        judged.table,
        protocol,
        test_id=test_id,
        protocol_hash=protocol_hash,
        warnings=[*warnings, *_warnings(judged)],
        earlier=earlier,
    )
    runs = {
        one.pair_id: PairRuns(
            control_run_id=one.control_run_id,
            treatment_run_id=one.treatment_run_id,
            is_valid=one.is_valid,
            warnings=list(one.warnings),
            errors=list(one.errors),
            exposure=acted,
        )
        for one, acted in zip(judged.validity, judged.exposures(), strict=True)
    }
    pairs = [pair.model_copy(update={"runs": runs[pair.pair]}) for pair in analysis.pairs]
    found = analysis.model_copy(update={"pairs": pairs, "metadata": _metadata(judged)})
    return _with_exposure(found, judged)


def _with_exposure(analysis: Analysis, judged: JudgedPairs) -> Analysis:
    """Return the analysis, INVALID where the treatment never acted, and saying so where it rarely
    did.
    """
    exposure = judged.exposure()
    update: dict[str, Any] = {
        "exposure": [ExposureResult.model_validate(asdict(one)) for one in exposure]
    }
    partly = [str(one) for one in exposure if not one.always]
    if judged.never_acted() and analysis.decision is not Decision.INVALID:
        reason = f"{'; '.join(partly)}: the treatment never acted, so nothing is its effect"
        update |= {
            "decision": Decision.INVALID,
            "also_holds": [],
            "resource_axis": ResourceAxis.UNCLEAR,
            "success_axis": SuccessAxis.UNCLEAR,
            "rules_out": [],
            "next": NextStep(
                text="Choose plans in which the treatment acts, or see why it does not.",
                further_pairs=None,
                resource_pairs=None,
                success_pairs=None,
            ),
            "reasons": [reason, *analysis.reasons],
            "sentence": f"INVALID: {reason}.",
        }
    elif partly:
        beside = "; ".join(partly)
        update |= {
            "sentence": f"{analysis.sentence.removesuffix('.')}. {beside}.",
            "reasons": [
                *analysis.reasons,
                f"{beside}: the estimate is that of having it on, also where it did nothing",
            ],
        }
    return analysis.model_copy(update=update)


def keep(db: Database, concluded: Concluded) -> None:
    """Store the result of an experiment, and what each valid pair measured with its treatment run.

    A run belongs to one registered pair, which alone says what it saved.
    """
    record_result(db, concluded.analysis.model_dump(mode="json"))
    if kill_switches(process_environment())[Feature.CONSOLIDATED_METRICS]:
        return
    facts = concluded.judged.facts
    for pair in concluded.judged.validity:
        if pair.is_valid and is_on(db, pair.treatment_run_id):
            control = facts[pair.control_run_id].arm.tokens
            treatment = facts[pair.treatment_run_id].arm.tokens
            if control is not None and treatment is not None:
                record_measured_saving(db, pair.treatment_run_id, control - treatment)


def report_folder(settings: Settings, test_id: str) -> Path:
    """Return where the reports of an experiment are."""
    return settings.home / "reports" / test_id


def _warnings(judged: JudgedPairs) -> list[str]:
    return [
        f"pair {one.pair_id}: {text}"
        for one in judged.validity
        if one.is_valid
        for text in one.warnings
    ]


def _metadata(judged: JudgedPairs) -> Metadata | None:
    """Return what the runs started from: of the first pair of which both fingerprints are known."""
    for pair in judged.validity:
        control = judged.facts[pair.control_run_id].arm.fingerprint
        treatment = judged.facts[pair.treatment_run_id].arm.fingerprint
        if control is not None and treatment is not None:
            return _metadata_of(control, treatment)
    return None


def _metadata_of(control: Fingerprint, treatment: Fingerprint) -> Metadata:
    return Metadata(
        commit_sha=control.commit_sha,
        repo_url=control.repo_url,
        branch=control.branch,
        model_mapping_hash={
            "control": control.model_mapping_hash,
            "treatment": treatment.model_mapping_hash,
        },
        feature_hash={"control": control.feature_hash, "treatment": treatment.feature_hash},
        environment_hash=control.environment_hash,
        autopack_version=control.autopack_version,
        operator=control.operator,
        timestamp=control.timestamp,
    )
