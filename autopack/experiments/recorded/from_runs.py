"""Pairs of recorded runs: judged, and made into the table that is analysed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from autopack.experiments.pairs.pair_table import PairTable
from autopack.experiments.pairs.pairs_reading import table_of
from autopack.experiments.recorded.exposure import (
    Exposure,
    acts_by_itself,
    of_pair,
    summarise,
)
from autopack.experiments.recorded.run_facts import RunFacts
from autopack.experiments.recorded.validity import (
    ArmRun,
    Declaration,
    PairValidity,
    judge_pair,
    runs_used_twice,
)
from autopack.ledger.events.usage_events import dollars
from autopack.model.budget import NO_PRICE
from autopack.model.causes import FailureCause
from autopack.model.errors import NotFound
from autopack.model.states import PhaseState, RunState
from autopack.store import tables
from autopack.store.acting import features_that_acted, models_of_builds
from autopack.store.database.engine import reading
from autopack.store.fingerprints import get_fingerprints
from autopack.store.reading import Source
from autopack.store.tables.rollups import usage_by_run

# Databases bound how many values one query may name.
_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class RunPair:
    """Two runs that are to be compared. ``plan`` groups replicates; ``first`` as in the table."""

    pair_id: str
    plan: str
    control: str
    treatment: str
    declared: Declaration
    first: str = ""


@dataclass(frozen=True)
class JudgedPairs:
    """The table of some pairs, with the judgement of each in the same order."""

    table: PairTable
    validity: tuple[PairValidity, ...]
    facts: Mapping[str, RunFacts]

    def exposures(self) -> list[dict[str, bool | None]]:
        """Of each pair: whether each measured part of the treatment acted."""
        return [
            of_pair(self.facts[one.control_run_id], self.facts[one.treatment_run_id])
            for one in self.validity
        ]

    def exposure(self) -> list[Exposure]:
        """Over the pairs that count: in how many each measured part of the treatment acted."""
        pairs = zip(self.validity, self.exposures(), strict=True)
        return summarise([acted for one, acted in pairs if one.is_valid])

    def never_acted(self) -> bool:
        """Return whether the arms differ only in what is known to have acted in no pair that
        counts.
        """
        found = self.exposure()
        counted = [
            (self.facts[one.control_run_id], self.facts[one.treatment_run_id])
            for one in self.validity
            if one.is_valid
        ]
        return bool(found) and all(one.never for one in found) and not acts_by_itself(counted)


def judge_pairs(
    source: Source, pairs: Sequence[RunPair], *, also_used: Iterable[tuple[str, str]] = ()
) -> JudgedPairs:
    """Judge pairs of recorded runs and tabulate them, in their order.

    ``also_used`` are pairs of runs that are not judged but may share a run with these.
    Raises NotFound for a run that is not recorded.
    """
    facts = run_facts(
        source, [run_id for pair in pairs for run_id in (pair.control, pair.treatment)]
    )
    shared = runs_used_twice([*((pair.control, pair.treatment) for pair in pairs), *also_used])
    judged = [
        judge_pair(
            pair.pair_id,
            facts[pair.control].arm,
            facts[pair.treatment].arm,
            pair.declared,
            shared=shared,
        )
        for pair in pairs
    ]
    records = [
        _record(pair, facts[pair.control], facts[pair.treatment], validity)
        for pair, validity in zip(pairs, judged, strict=True)
    ]
    return JudgedPairs(table_of(records), tuple(judged), facts)


def run_facts(source: Source, run_ids: Collection[str]) -> dict[str, RunFacts]:
    """Return what each of the runs counts for. Raises NotFound for one that is not recorded."""
    wanted = list(dict.fromkeys(run_ids))
    found: dict[str, RunFacts] = {}
    with reading(source) as conn:
        for start in range(0, len(wanted), _AT_ONCE):
            found |= _facts(conn, wanted[start : start + _AT_ONCE])
    for run_id in wanted:
        if run_id not in found:
            raise NotFound(f"there is no run {run_id!r}", field="run_id", hint="autopack runs")
    return found


def _record(
    pair: RunPair, control: RunFacts, treatment: RunFacts, validity: PairValidity
) -> dict[str, object]:
    phases = set(control.phases) & set(treatment.phases)
    both = control.complete & treatment.complete
    either = control.complete | treatment.complete
    return {
        "pair": pair.pair_id,
        "plan": pair.plan,
        "control_tokens": control.arm.tokens,
        "treatment_tokens": treatment.arm.tokens,
        "control_success": control.success,
        "treatment_success": treatment.success,
        "control_phase_fraction": control.fraction,
        "treatment_phase_fraction": treatment.fraction,
        "phases_n11": len(both & phases),
        "phases_n10": len((control.complete - treatment.complete) & phases),
        "phases_n01": len((treatment.complete - control.complete) & phases),
        "phases_n00": len(phases - either),
        "first": pair.first,
        "void": validity.void,
        **{
            f"{name}_{metric}": facts.metrics[metric]
            for name, facts in (("control", control), ("treatment", treatment))
            for metric in facts.metrics
        },
    }


def _facts(conn: sa.Connection, run_ids: list[str]) -> dict[str, RunFacts]:
    runs = tables.runs
    rows = conn.execute(sa.select(runs).where(runs.c.run_id.in_(run_ids))).mappings().all()
    fingerprints = get_fingerprints(conn, run_ids)
    columns = ("run_id", "phase_id", "state", "ordinal", "failure_cause")
    phases = _grouped(conn, tables.phases, columns, run_ids)
    usage = _usage(conn, run_ids)
    built = sa.and_(tables.attempts.c.built_at.is_not(None), tables.attempts.c.counts.is_(True))
    ended = _grouped(conn, tables.attempts, ("run_id", "phase_id"), run_ids, built)
    skipped = _counts(conn, tables.mitigations, run_ids, tables.mitigations.c.doctor_call_skipped)
    intents = tables.llm_call_intents
    open_calls = _counts(conn, intents, run_ids, intents.c.closed_at.is_(None))
    acted, seen = features_that_acted(conn, rows), models_of_builds(conn, run_ids)
    found: dict[str, RunFacts] = {}
    for row in rows:
        run_id: str = row["run_id"]
        mine = sorted(phases[run_id], key=lambda phase: phase["ordinal"])
        complete = frozenset(
            phase["phase_id"] for phase in mine if phase["state"] is PhaseState.COMPLETE
        )
        sums = usage[run_id]
        builds = [attempt["phase_id"] for attempt in ended[run_id]]
        found[run_id] = RunFacts(
            arm=ArmRun(
                run_id=run_id,
                state=row["state"],
                tokens=None if open_calls[run_id] else sums["total"],
                fingerprint=fingerprints.get(run_id),
                unreconciled=open_calls[run_id],
                cause=_cause(mine),
                undelivered=_was_undelivered(row) and len(complete) == len(mine),
                starved=_was_starved(row),
                unpriced=NO_PRICE in (row["failure_reason"] or ""),
                retry_of=row["retry_of"],
            ),
            plan_hash=row["plan_hash"],
            phases=tuple(phase["phase_id"] for phase in mine),
            complete=complete,
            metrics={
                "builder_tokens": None if open_calls[run_id] else sums["builder"],
                "doctor_tokens": None if open_calls[run_id] else sums["doctor"],
                "doctor_calls": sums["doctor_calls"],
                "doctor_calls_skipped": skipped[run_id],
                "retries": len(builds) - len(set(builds)),
                "wall_seconds": _wall_seconds(row),
                "cost": None if open_calls[run_id] else sums["cost"],
            },
            acted=acted[run_id],
            models_seen=seen[run_id],
        )
    return found


def _cause(phases: Sequence[sa.RowMapping]) -> FailureCause | None:
    """Return why the last phase failed that did."""
    failed = [
        phase["failure_cause"]
        for phase in phases
        if phase["state"] is PhaseState.FAILED and phase["failure_cause"] in frozenset(FailureCause)
    ]
    return FailureCause(failed[-1]) if failed else None


def _was_undelivered(run: sa.RowMapping) -> bool:
    """Return whether a run that needs review needs it only because its branch was not taken.

    Where all phases are complete, only a check of the whole commit could say otherwise.
    """
    needs_review = run["state"] is RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW
    checked: Mapping[str, Any] = run["final_check"] or {}
    return needs_review and checked.get("passed", True) is not False


def _was_starved(run: sa.RowMapping) -> bool:
    """Return whether the budget of its campaign ended the run."""
    return (
        run["state"] is RunState.DONE_FAILED_BUDGET_EXHAUSTED
        and run["campaign_id"] is not None
        and f"campaign {run['campaign_id']}:" in (run["failure_reason"] or "")
    )


def _wall_seconds(run: sa.RowMapping) -> float | None:
    """Return how long it was worked on; not while it was interrupted, or waited for a provider.

    None where unknown, as where a clock was set back meanwhile and nothing else tells.
    """
    if run["started_at"] is None or run["finished_at"] is None:
        return None
    whole = (run["finished_at"] - run["started_at"]).total_seconds()
    worked: float | None = run["elapsed_seconds"] or None
    if whole < 0:
        return worked
    return whole if worked is None else min(worked, whole)


def _usage(conn: sa.Connection, run_ids: list[str]) -> defaultdict[str, dict[str, Any]]:
    """Tokens, doctor calls and dollars of each run; dollars are None when a price is unknown."""
    sums = usage_by_run
    query = (
        sa.select(
            sums.c.run_id,
            sums.c.role,
            sa.func.sum(sums.c.total_tokens).label("tokens"),
            sa.func.sum(sums.c.events).label("events"),
            sa.func.sum(sums.c.cost_microdollars).label("cost_microdollars"),
            sa.func.sum(sums.c.cost_picodollars).label("cost_picodollars"),
            sa.func.sum(sums.c.unpriced_events).label("unpriced"),
        )
        .where(sums.c.run_id.in_(run_ids))
        .group_by(sums.c.run_id, sums.c.role)
    )
    found: defaultdict[str, dict[str, Any]] = defaultdict(
        lambda: {"total": 0, "builder": 0, "doctor": 0, "doctor_calls": 0, "cost": 0.0}
    )
    for row in conn.execute(query).mappings():
        figures = found[row["run_id"]]
        tokens = int(row["tokens"])
        figures["total"] += tokens
        if row["role"] in ("builder", "doctor"):
            figures[row["role"]] += tokens
        if row["role"] == "doctor":
            figures["doctor_calls"] += int(row["events"])
        before: float | None = figures["cost"]
        unknown = before is None or row["unpriced"]
        figures["cost"] = None if unknown else (before or 0.0) + float(dollars(row))
    return found


def _grouped(
    conn: sa.Connection,
    table: sa.Table,
    columns: Sequence[str],
    run_ids: list[str],
    *where: sa.ColumnElement[bool],
) -> defaultdict[str, list[sa.RowMapping]]:
    query = sa.select(*(table.c[name] for name in columns)).where(
        table.c.run_id.in_(run_ids), *where
    )
    found: defaultdict[str, list[sa.RowMapping]] = defaultdict(list)
    for row in conn.execute(query).mappings():
        found[row["run_id"]].append(row)
    return found


def _counts(
    conn: sa.Connection, table: sa.Table, run_ids: list[str], *where: sa.ColumnElement[bool]
) -> defaultdict[str, int]:
    query = (
        sa.select(table.c.run_id, sa.func.count())
        .where(table.c.run_id.in_(run_ids), *where)
        .group_by(table.c.run_id)
    )
    found: defaultdict[str, int] = defaultdict(int)
    found |= {run_id: int(number) for run_id, number in conn.execute(query)}
    return found
