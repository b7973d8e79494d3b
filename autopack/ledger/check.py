"""Finds facts in the database that contradict each other."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from autopack.ledger.sums import ROLLUPS, keys_of, unexplained
from autopack.model.states import AttemptState, PhaseState, RunState
from autopack.store.database.engine import Database, now
from autopack.store.tables import (
    attempts,
    leases,
    llm_usage_events,
    phases,
    research_reports,
    runs,
)
from autopack.store.tables.rollups import usage_archive_keys, usage_by_run, usage_imports

_FINAL = [state for state in RunState if state.is_final]
_OPEN = [state for state in AttemptState if state.is_open]


@dataclass(frozen=True)
class Drift:
    """One contradiction. ``kind`` is a fixed word, ``message`` says what was found."""

    kind: str
    run_id: str
    phase_id: str | None
    message: str


def check(db: Database) -> list[Drift]:
    """Return every contradiction, none when all is well; changes nothing."""
    with db.read() as conn:
        return [
            *_orphaned_usage(conn),
            *_complete_without_pass(conn),
            *_several_open_attempts(conn),
            *_executing_in_final_run(conn),
            *_leases_of_final_runs(conn),
            *_unexplained_sums(conn),
            *_archived_twice(conn),
        ]


def _orphaned_usage(conn: sa.Connection) -> list[Drift]:
    events = usage_by_run
    imported = sa.select(usage_imports.c.run_id)
    query = (
        sa.select(events.c.run_id, events.c.phase_id, sa.func.sum(events.c.events).label("n"))
        .outerjoin(
            phases,
            sa.and_(phases.c.run_id == events.c.run_id, phases.c.phase_id == events.c.phase_id),
        )
        .where(phases.c.run_id.is_(None), events.c.run_id.not_in(imported))
        .group_by(events.c.run_id, events.c.phase_id)
        .order_by(events.c.run_id, events.c.phase_id)
    )
    return [
        Drift("orphaned_usage", row.run_id, row.phase_id, f"{row.n} calls of no known phase")
        for row in conn.execute(query)
    ]


def _complete_without_pass(conn: sa.Connection) -> list[Drift]:
    passed = sa.exists().where(
        attempts.c.run_id == phases.c.run_id,
        attempts.c.phase_id == phases.c.phase_id,
        attempts.c.revision == phases.c.revision,
        attempts.c.state == AttemptState.PASSED,
    )
    tried = sa.exists().where(
        attempts.c.run_id == phases.c.run_id, attempts.c.phase_id == phases.c.phase_id
    )
    kept_by_retry = sa.and_(runs.c.retry_of.is_not(None), ~tried)
    researched = sa.exists().where(
        research_reports.c.run_id == phases.c.run_id,
        research_reports.c.phase_id == phases.c.phase_id,
    )
    query = (
        sa.select(phases.c.run_id, phases.c.phase_id)
        .join(runs)
        .where(phases.c.state == PhaseState.COMPLETE, ~passed, ~kept_by_retry, ~researched)
        .order_by(phases.c.run_id, phases.c.ordinal)
    )
    return [
        Drift("complete_without_pass", row.run_id, row.phase_id, "COMPLETE, but no attempt PASSED")
        for row in conn.execute(query)
    ]


def _several_open_attempts(conn: sa.Connection) -> list[Drift]:
    count = sa.func.count()
    query = (
        sa.select(attempts.c.run_id, attempts.c.phase_id, count.label("n"))
        .where(attempts.c.state.in_(_OPEN))
        .group_by(attempts.c.run_id, attempts.c.phase_id)
        .having(count > 1)
        .order_by(attempts.c.run_id, attempts.c.phase_id)
    )
    return [
        Drift("several_open_attempts", row.run_id, row.phase_id, f"{row.n} attempts are open")
        for row in conn.execute(query)
    ]


def _executing_in_final_run(conn: sa.Connection) -> list[Drift]:
    query = (
        sa.select(phases.c.run_id, phases.c.phase_id, runs.c.state)
        .join(runs)
        .where(phases.c.state == PhaseState.EXECUTING, runs.c.state.in_(_FINAL))
        .order_by(phases.c.run_id, phases.c.ordinal)
    )
    return [
        Drift("executing_in_final_run", row.run_id, row.phase_id, f"EXECUTING in a run {row.state}")
        for row in conn.execute(query)
    ]


def _leases_of_final_runs(conn: sa.Connection) -> list[Drift]:
    query = (
        sa.select(leases.c.run_id, leases.c.expires_at, runs.c.state)
        .join(runs)
        .where(leases.c.expires_at > now(conn), runs.c.state.in_(_FINAL))
        .order_by(leases.c.run_id)
    )
    return [
        Drift(
            "lease_on_final_run",
            row.run_id,
            None,
            f"{row.state}, but held until {row.expires_at:%Y-%m-%d %H:%M:%S} UTC",
        )
        for row in conn.execute(query)
    ]


def _unexplained_sums(conn: sa.Connection) -> list[Drift]:
    """Ledger and archive together are what the sums say, key by key."""
    found: list[Drift] = []
    for table in ROLLUPS:
        for row in conn.execute(unexplained(table, conn.dialect.name)).mappings():
            where = ", ".join(f"{key} {row[key]}" for key in keys_of(table))
            found.append(
                Drift(
                    "usage_sums",
                    row.get("run_id", ""),
                    row.get("phase_id"),
                    f"{table.name} lacks {row['events']} calls of {row['total_tokens']} tokens"
                    f" that ledger and archive hold ({where})",
                )
            )
    return found


def _archived_twice(conn: sa.Connection) -> list[Drift]:
    query = (
        sa.select(llm_usage_events.c.run_id, sa.func.count().label("n"))
        .join(usage_archive_keys, usage_archive_keys.c.event_key == llm_usage_events.c.event_key)
        .group_by(llm_usage_events.c.run_id)
    )
    return [
        Drift("archived_and_kept", row.run_id, None, f"{row.n} calls are in ledger and archive")
        for row in conn.execute(query)
    ]
