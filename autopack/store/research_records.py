"""What research leaves in the database: paid answers, reports, and findings for the next time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from autopack.store import tables
from autopack.store.database.engine import Database, insert_new, now, reading
from autopack.store.leases import Lease, fence

Source = Database | sa.Connection


@dataclass(frozen=True, kw_only=True)
class AnswerRow:
    """An answer of the model behind a research phase; None where the call brought none."""

    step: str
    number: int
    answer: Mapping[str, Any] | None
    problem: str | None


@dataclass(frozen=True, kw_only=True)
class FindingRow:
    """What an earlier report found out about a question."""

    key: str
    question: str
    run_id: str
    phase_id: str
    finding: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class ResearchSpend:
    """What the calls of a research phase took, as far as is known; a call that told nothing counts
    with what was set aside for it.
    """

    calls: int
    tokens: int


def record_answer(conn: sa.Connection, run_id: str, phase_id: str, row: AnswerRow) -> None:
    """Keep an answer; belongs in the transaction that records its cost.

    Not fenced: what was paid for is kept no matter who holds the run.
    """
    conn.execute(
        insert_new(conn, tables.research_answers).values(
            run_id=run_id,
            phase_id=phase_id,
            step=row.step,
            number=row.number,
            answer=None if row.answer is None else dict(row.answer),
            problem=row.problem,
            created_at=now(conn),
        )
    )


def get_answers(source: Source, run_id: str, phase_id: str) -> list[AnswerRow]:
    """Return every answer of a phase's research, in order of their numbers."""
    table = tables.research_answers
    columns = [table.c[name] for name in AnswerRow.__dataclass_fields__]
    query = (
        sa.select(*columns)
        .where(table.c.run_id == run_id, table.c.phase_id == phase_id)
        .order_by(table.c.number)
    )
    with reading(source) as conn:
        return [AnswerRow(**row) for row in conn.execute(query).mappings()]


def research_spend(source: Source, run_id: str, phase_id: str) -> ResearchSpend:
    """Return what the calls of a research phase took so far."""
    table = tables.budget_reservations
    spent = sa.func.coalesce(table.c.spent_tokens, table.c.tokens)
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(spent), 0)).where(
        table.c.run_id == run_id, table.c.phase_id == phase_id, table.c.role == "research"
    )
    with reading(source) as conn:
        calls, tokens = conn.execute(query).one()
    return ResearchSpend(int(calls), int(tokens))


def record_report(
    conn: sa.Connection, lease: Lease, phase_id: str, report: Mapping[str, Any]
) -> None:
    """Keep the report of a phase; a second one of the same phase changes nothing. Raises
    LeaseLost.
    """
    fence(conn, lease)
    conn.execute(
        insert_new(conn, tables.research_reports).values(
            run_id=lease.run_id,
            phase_id=phase_id,
            report=dict(report),
            created_at=now(conn),
        )
    )


def get_report(source: Source, run_id: str, phase_id: str) -> dict[str, Any] | None:
    """Return the report of a phase; None when there is none yet."""
    table = tables.research_reports
    query = sa.select(table.c.report).where(table.c.run_id == run_id, table.c.phase_id == phase_id)
    with reading(source) as conn:
        return conn.scalar(query)


def record_finding(
    conn: sa.Connection, lease: Lease, phase_id: str, key: str, finding: Mapping[str, Any]
) -> None:
    """Keep what was found out about a question, for the next run that asks. Raises LeaseLost."""
    fence(conn, lease)
    conn.execute(
        insert_new(conn, tables.research_findings).values(
            key=key,
            question=finding["text"],
            run_id=lease.run_id,
            phase_id=phase_id,
            finding=dict(finding),
            created_at=now(conn),
        )
    )


def get_finding(source: Source, key: str) -> FindingRow | None:
    """Return what is known of a question under this key; None when nothing is."""
    table = tables.research_findings
    with reading(source) as conn:
        row = conn.execute(sa.select(table).where(table.c.key == key)).mappings().first()
    return None if row is None else FindingRow(**row)
