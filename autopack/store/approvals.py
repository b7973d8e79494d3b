"""Questions that a run waits for a person to answer: a cap that was reached, a phase to begin, work
that no reviewer approved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa

from autopack.model.budget import (
    NO_PRICE,
    Exhausted,
    Resource,
    Scope,
    check_cap,
)
from autopack.model.errors import BadInput, Refused
from autopack.store import tables
from autopack.store.database.engine import Database, now, reading
from autopack.store.keys import named_run, run_named
from autopack.store.leases import Lease, fence
from autopack.store.reading import Source, get_plan_body, get_run
from autopack.store.rows import RunRow

Kind = Literal["cap", "phase"]

_OF_RUN = (
    sa.select(tables.approvals).where(named_run(tables.approvals)).order_by(tables.approvals.c.id)
)

_CAP_COLUMNS = {
    Resource.TOKENS: "token_cap",
    Resource.COST: "cost_cap",
    Resource.MINUTES: "minutes_cap",
}


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A question and, once ``answered_at`` is set, what was answered by whom.

    One about a phase asks whether it may begin or, where ``attempt`` names one, whether the work
    of that attempt is accepted.

    ``level`` and ``resource`` say which cap a question of kind ``cap`` is about, ``new_cap`` what
    it was raised to.
    """

    id: int
    run_id: str
    phase_id: str
    kind: Kind
    level: Scope | None
    resource: Resource | None
    question: str
    asked_at: datetime
    approved: bool | None
    answered_at: datetime | None
    answered_by: str | None
    new_cap: Decimal | None
    note: str | None
    attempt: int | None = None

    @classmethod
    def of(cls, row: sa.RowMapping) -> Approval:
        values: dict[str, Any] = {
            **row,
            "level": row["level"] and Scope(row["level"]),
            "resource": row["resource"] and Resource(row["resource"]),
        }
        return cls(**values)


@dataclass(frozen=True)
class Answer:
    """What a person says: yes or no, and for a cap how far it is raised."""

    approved: bool
    by: str
    note: str | None = None
    new_cap: Decimal | None = None
    resource: Resource | None = None


def ask(
    conn: sa.Connection,
    lease: Lease,
    phase_id: str,
    question: str,
    *,
    exhausted: Exhausted | None = None,
    attempt: int | None = None,
) -> None:
    """Put a question about a phase, an ``attempt`` at it, or the cap that is ``exhausted``.

    Raises LeaseLost.
    """
    fence(conn, lease)
    conn.execute(
        sa.insert(tables.approvals).values(
            run_id=lease.run_id,
            phase_id=phase_id,
            kind="phase" if exhausted is None else "cap",
            attempt=attempt,
            level=exhausted and exhausted.scope,
            resource=exhausted and exhausted.resource,
            question=question,
            asked_at=now(conn),
        )
    )


def get_approvals(source: Source, run_id: str) -> list[Approval]:
    """Return every question of a run, in the order in which they were asked."""
    with reading(source) as conn:
        rows = conn.execute(_OF_RUN, run_named(run_id)).mappings()
        return [Approval.of(row) for row in rows]


def pending(source: Source, run_id: str) -> Approval | None:
    """Return the question that the run waits for; None when all are answered."""
    return next((one for one in get_approvals(source, run_id) if one.answered_at is None), None)


def rejection(source: Source, run_id: str) -> Approval | None:
    """Return the question that was answered with no, which ends the run."""
    return next((one for one in get_approvals(source, run_id) if one.approved is False), None)


def answer(db: Database, run_id: str, given: Answer) -> Approval:
    """Record who answered the run's open question, when and how; a cap is raised with it.

    Raises Refused when nothing is asked, BadInput when the new cap is missing, not asked for, of
    another kind, no number, or no higher than the one there is. Calls without a price may be
    accepted under the cap as it is.
    """
    if given.new_cap is not None and given.resource is not None:
        check_cap(given.new_cap, _CAP_COLUMNS[given.resource])

    def write(conn: sa.Connection) -> Approval:
        run = get_run(conn, run_id)
        question = pending(conn, run_id)
        if question is None or run.state.is_final:
            raise Refused(
                f"run {run_id} is not waiting for an answer",
                field="run_id",
                hint=f"autopack show {run_id}",
            )
        if given.new_cap is not None and (question.kind != "cap" or not given.approved):
            why = f"run {run_id} asks for no cap: {question.question}"
            raise BadInput(
                why if given.approved else "a run that is rejected takes no cap",
                field=given.resource and _CAP_COLUMNS[given.resource],
                hint="answer without a cap",
            )
        if given.approved and question.kind == "cap":
            _raise_cap(conn, question, given, run)
        table = tables.approvals
        # Of two that answer at once, one is told that nothing is asked any more.
        answered = conn.execute(
            sa.update(table)
            .where(table.c.id == question.id, table.c.answered_at.is_(None))
            .values(
                approved=given.approved,
                answered_at=now(conn),
                answered_by=given.by,
                new_cap=given.new_cap,
                note=given.note,
            )
            .returning(table)
        )
        row = answered.mappings().first()
        if row is None:
            raise Refused(f"run {run_id} was answered by somebody else", field="run_id")
        return Approval.of(row)

    return db.transact(write)


def _raise_cap(conn: sa.Connection, question: Approval, given: Answer, run: RunRow) -> None:
    if question.resource is None or question.level is None:
        raise AssertionError(f"question {question.id} names no cap")
    if NO_PRICE in question.question and given.new_cap is None:
        return  # the cap stays, and counts the calls whose price is known
    option = f"--{_CAP_COLUMNS[question.resource].replace('_', '-')}"
    if given.new_cap is None or given.resource is not question.resource:
        raise BadInput(
            f"the run waits at a cap on {question.resource}: {question.question}",
            field=_CAP_COLUMNS[question.resource],
            hint=f"raise it with {option} N, or end the run with --reject",
        )
    if question.level is Scope.PHASE:
        # Kept with the answer: a plan is not changed.
        _check_higher(given.new_cap, _phase_cap(conn, question, run), question.resource)
        return
    runs, campaigns = tables.runs, tables.budget_campaigns
    table, where = runs, runs.c.run_id == question.run_id
    if question.level is Scope.CAMPAIGN:
        table, where = campaigns, campaigns.c.campaign_id == run.campaign_id
    column = table.c[_CAP_COLUMNS[question.resource]]
    # Locked: of two who raise a campaign's cap at once, for two of its runs, neither lowers it.
    before = conn.scalar(sa.select(column).where(where).with_for_update())
    _check_higher(given.new_cap, before, question.resource)
    cap: Any = given.new_cap
    if question.resource is Resource.TOKENS:
        cap = int(cap)
    elif question.resource is Resource.MINUTES:
        cap = float(cap)
    conn.execute(sa.update(table).where(where).values({column.name: cap}))


def _check_higher(wanted: Decimal, cap: Any, resource: Resource) -> None:
    if cap is not None and wanted <= Decimal(str(cap)):
        name = _CAP_COLUMNS[resource]
        raise BadInput(
            f"{wanted} is no higher than the cap of {cap}",
            field=name,
            hint=f"name a higher one with --{name.replace('_', '-')} N",
        )


def _phase_cap(conn: sa.Connection, question: Approval, run: RunRow) -> Any:
    """Return the cap that a phase has: what a person last raised it to, else its plan's."""
    raised = [
        one.new_cap
        for one in get_approvals(conn, question.run_id)
        if one.approved
        and one.new_cap is not None
        and (one.phase_id, one.level, one.resource)
        == (question.phase_id, Scope.PHASE, question.resource)
    ]
    if raised:
        return raised[-1]
    plan = get_plan_body(conn, run.plan_hash)
    spec: dict[str, Any] = next(one for one in plan["phases"] if one["id"] == question.phase_id)
    budget: dict[str, Any] = spec.get("budget") or {}
    return budget.get(question.resource or "")
