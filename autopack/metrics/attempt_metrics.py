"""Phase-6 metrics and token efficiency: a row for each attempt that ended, and summaries."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from autopack.ledger.consolidated import coverage
from autopack.metrics.estimates import estimate_doctor_tokens
from autopack.model.features import Feature
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState
from autopack.store.attempt_facts import facts_of_attempt
from autopack.store.database.engine import (
    Database,
    insert_new,
    now,
    reading,
)
from autopack.store.reading import get_plan_body
from autopack.store.tables import attempts, runs
from autopack.store.tables.rollups import (
    consolidated_token_views,
    phase6_metrics,
    token_efficiency_metrics,
)

Json = dict[str, Any]
_KEY = ("run_id", "phase_id", "attempt")
_ENDED = (AttemptState.PASSED, AttemptState.FAILED)


def is_on(source: Database | sa.Connection, run_id: str) -> bool:
    """Return whether the run keeps phase-6 metrics."""
    return Feature.PHASE6_METRICS.value in _features(source, run_id)


def tells_efficiency(source: Database | sa.Connection, run_id: str) -> bool:
    """Return whether the run keeps what became of its context."""
    return not _features(source, run_id).isdisjoint(
        (Feature.PHASE6_METRICS.value, Feature.CONTEXT_PACK.value)
    )


def _features(source: Database | sa.Connection, run_id: str) -> frozenset[str]:
    with reading(source) as conn:
        return frozenset(
            conn.scalar(sa.select(runs.c.features).where(runs.c.run_id == run_id)) or ()
        )


def record_phase6_metrics(db: Database, run_id: str) -> int:
    """Write the row of every attempt of the run that ended without one; return how many."""

    def write(conn: sa.Connection) -> int:
        rows = [
            _phase6_row(conn, AttemptKey(run_id, phase_id, attempt))
            for phase_id, attempt, _ in _without_row(conn, run_id, phase6_metrics)
        ]
        return _insert(conn, phase6_metrics, rows)

    return db.transact(write)


def record_token_efficiency(db: Database, run_id: str) -> int:
    """Write the row of every attempt of the run that ended without one; return how many.

    With a context pack its row is there already and gets the outcome; without, what it says of
    artifacts, budget and files of the context is null: agents choose those.
    """

    def write(conn: sa.Connection) -> int:
        missing = _without_row(conn, run_id, token_efficiency_metrics)
        if not missing:
            return 0
        plan_hash = conn.scalar(sa.select(runs.c.plan_hash).where(runs.c.run_id == run_id))
        phases: list[Json] = get_plan_body(conn, plan_hash or "")["phases"]
        delivered = {phase["id"]: len(phase.get("deliverables") or ()) for phase in phases}
        rows = [
            {
                "run_id": run_id,
                "phase_id": phase_id,
                "attempt": attempt,
                "deliverables_count": delivered.get(phase_id),
                "phase_outcome": "COMPLETE" if state is AttemptState.PASSED else "FAILED",
                "created_at": now(conn),
            }
            for phase_id, attempt, state in missing
        ]
        _insert(conn, token_efficiency_metrics, rows)
        for row in rows:
            keys = [token_efficiency_metrics.c[name] == row[name] for name in _KEY]
            ended = {name: row[name] for name in ("deliverables_count", "phase_outcome")}
            conn.execute(sa.update(token_efficiency_metrics).where(*keys).values(ended))
        return len(rows)

    return db.transact(write)


def _without_row(
    conn: sa.Connection, run_id: str, table: sa.Table
) -> list[tuple[str, int, AttemptState]]:
    """Attempts that ended and have no row in ``table``, or one that does not say how they did:
    also those of a process that crashed.
    """
    is_missing = table.c.run_id.is_(None)
    if table is token_efficiency_metrics:
        is_missing |= table.c.phase_outcome.is_(None)
    query = (
        sa.select(attempts.c.phase_id, attempts.c.attempt, attempts.c.state)
        .outerjoin(
            table,
            sa.and_(*(attempts.c[key] == table.c[key] for key in _KEY)),
        )
        .where(attempts.c.run_id == run_id, attempts.c.state.in_(_ENDED), is_missing)
    )
    return [(row.phase_id, row.attempt, row.state) for row in conn.execute(query)]


def _phase6_row(conn: sa.Connection, key: AttemptKey) -> Json:
    facts = facts_of_attempt(conn, key)
    row = {name: value for name, value in asdict(facts).items() if name != "doctor_model"}
    if facts.doctor_call_skipped:
        estimate = estimate_doctor_tokens(conn, key.run_id, facts.doctor_model)
        row |= {
            "doctor_tokens_avoided_estimate": estimate.tokens,
            "estimate_coverage_n": estimate.n,
            "estimate_source": estimate.source,
        }
    return {**vars(key), **row, "created_at": now(conn)}


def _insert(conn: sa.Connection, table: sa.Table, rows: list[Json]) -> int:
    for row in rows:  # they differ in which columns they fill
        conn.execute(insert_new(conn, table).values(row))
    return len(rows)


def phase6_summary(
    source: Database | sa.Connection,
    *,
    run_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Json:
    """Return all rows of a run or a period: phases are counted once, tokens and characters summed.

    ``actual_tokens_saved`` is what valid A/B pairs measured of the runs that the rows belong to.
    """
    table = phase6_metrics
    where = _chosen(table, run_id, since, until)
    phase = table.c.run_id + "/" + table.c.phase_id

    def phases(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.count(sa.distinct(sa.case((condition, phase))))

    query = sa.select(
        sa.func.count(sa.distinct(phase)).label("phases"),
        sa.func.count().label("attempts"),
        phases(table.c.failure_hardening_triggered.is_(True)).label("failure_hardening_triggered"),
        phases(table.c.failure_hardening_mitigated.is_(True)).label("failure_hardening_mitigated"),
        phases(table.c.doctor_call_skipped.is_(True)).label("doctor_calls_skipped"),
        sa.func.sum(table.c.doctor_tokens_avoided_estimate).label("doctor_tokens_avoided_estimate"),
        _measured(where).label("actual_tokens_saved"),
        phases(table.c.intention_context_injected.is_(True)).label("intention_context_injected"),
        sa.func.sum(table.c.intention_context_chars).label("intention_context_chars"),
        phases(table.c.plan_normalization_used.is_(True)).label("plan_normalization_used"),
        sa.func.avg(table.c.plan_normalization_confidence).label("plan_normalization_confidence"),
    ).where(where)
    patterns = (
        sa.select(table.c.failure_pattern_detected, sa.func.count(sa.distinct(phase)))
        .where(where, table.c.failure_pattern_detected.is_not(None))
        .group_by(table.c.failure_pattern_detected)
        .order_by(table.c.failure_pattern_detected)
    )
    with reading(source) as conn:
        found = {key: _number(value) for key, value in conn.execute(query).mappings().one().items()}
        by_pattern = {row[0]: row[1] for row in conn.execute(patterns)}
        stats = {name: asdict(part) for name, part in coverage(conn, where).items()}
    return {**found, "failure_patterns": by_pattern, "estimate_coverage_stats": stats}


def _measured(where: sa.ColumnElement[bool]) -> sa.ColumnElement[Any]:
    """Return what was measured of whole runs, and what imported attempts bring; None when nothing
    was.
    """
    attempts_say = sa.func.sum(phase6_metrics.c.actual_tokens_saved)
    views = consolidated_token_views
    of_rows = sa.select(phase6_metrics.c.run_id).where(where).correlate(None)
    runs_say = (
        sa.select(sa.func.sum(views.c.ab_tokens_saved_measured))
        .where(views.c.run_id.in_(of_rows))
        .scalar_subquery()
    )
    return sa.func.coalesce(attempts_say + runs_say, attempts_say, runs_say)


def token_efficiency_summary(
    source: Database | sa.Connection,
    *,
    run_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Json:
    """Return all rows of a run or a period; a figure that no row has is None."""
    table = token_efficiency_metrics
    where = _chosen(table, run_id, since, until)
    phase = table.c.run_id + "/" + table.c.phase_id
    summed = (
        "artifact_substitutions",
        "tokens_saved_artifacts",
        "budget_used",
        "budget_cap",
        "files_kept",
        "files_omitted",
        "context_files_total",
    )
    query = sa.select(
        sa.func.count(sa.distinct(phase)).label("phases"),
        sa.func.count().label("attempts"),
        *(sa.func.sum(table.c[name]).label(name) for name in summed),
    ).where(where)

    def counted(conn: sa.Connection, column: str) -> dict[str, int]:
        named = sa.select(table.c[column].label("name"), sa.func.count().label("n"))
        chosen = named.where(where, table.c[column].is_not(None)).group_by(table.c[column])
        return {row.name: row.n for row in conn.execute(chosen.order_by(table.c[column]))}

    with reading(source) as conn:
        found = {key: _number(value) for key, value in conn.execute(query).mappings().one().items()}
        modes, outcomes = counted(conn, "budget_mode"), counted(conn, "phase_outcome")
    return {**found, "budget_modes": modes, "outcomes": outcomes}


def _chosen(
    table: sa.Table, run_id: str | None, since: datetime | None, until: datetime | None
) -> sa.ColumnElement[bool]:
    conditions: list[sa.ColumnElement[bool]] = [sa.true()]
    if run_id is not None:
        conditions.append(table.c.run_id == run_id)
    if since is not None:
        conditions.append(table.c.created_at >= since)
    if until is not None:
        conditions.append(table.c.created_at < until)
    return sa.and_(*conditions)


def _number(value: Any) -> int | float | None:
    """PostgreSQL sums and averages in decimals."""
    if value is None or isinstance(value, int):
        return value
    number = float(value)
    return int(number) if number.is_integer() else number
