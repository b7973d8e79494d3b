"""How runs stand, for an operator who watches many: a few queries however many they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa

from autopack.ledger.events.usage_events import dollars, lost_by_run
from autopack.model.states import PhaseState, RunState
from autopack.store.database.engine import now, reading
from autopack.store.reading import Source
from autopack.store.tables import leases, phases, runs
from autopack.store.tables.budgets import approvals
from autopack.store.tables.rollups import usage_by_run


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One run now.

    ``phase`` is the one under way, ``since`` when that began, else when the run ended.
    ``question`` is what it asks a person. ``silent_since`` is set when its holder has
    not been heard of since, ``interrupted`` when the run was released unfinished. ``tokens``
    are those that are known, None when it built and nothing is; ``unknown_builds`` told less than
    all of it. ``cost`` is in US dollars, None when a part of it is unknown.
    """

    run_id: str
    state: RunState
    flow_run_id: str | None
    phases: int
    completed: int
    phase: str | None
    since: datetime | None
    question: str | None
    failure_reason: str | None
    silent_since: datetime | None
    interrupted: bool
    tokens: int | None
    unknown_builds: int
    cost: Decimal | None


def standings(source: Source, run_ids: Sequence[str]) -> list[Standing]:
    """The runs that are stored, in the order asked for."""
    complete = sa.func.sum(sa.case((phases.c.state == PhaseState.COMPLETE, 1), else_=0))
    counts = (
        sa.select(phases.c.run_id, sa.func.count(), complete)
        .where(phases.c.run_id.in_(run_ids))
        .group_by(phases.c.run_id)
    )
    working = sa.select(phases.c.run_id, phases.c.phase_id, phases.c.started_at).where(
        phases.c.run_id.in_(run_ids), phases.c.state == PhaseState.EXECUTING
    )
    asked = sa.select(approvals.c.run_id, approvals.c.question, approvals.c.asked_at).where(
        approvals.c.run_id.in_(run_ids), approvals.c.answered_at.is_(None)
    )
    sums = usage_by_run.c
    spent = (
        sa.select(
            sums.run_id,
            sa.func.sum(sums.total_tokens).label("tokens"),
            sa.func.sum(sums.cost_microdollars).label("cost_microdollars"),
            sa.func.sum(sums.cost_picodollars).label("cost_picodollars"),
            sa.func.sum(sums.unpriced_events).label("unpriced"),
        )
        .where(usage_by_run.c.run_id.in_(run_ids))
        .group_by(usage_by_run.c.run_id)
    )
    held = (
        sa.select(runs, leases.c.expires_at)
        .select_from(runs.outerjoin(leases, leases.c.run_id == runs.c.run_id))
        .where(runs.c.run_id.in_(run_ids))
    )
    with reading(source) as conn:
        at = now(conn)
        numbers = {row[0]: (int(row[1]), int(row[2])) for row in conn.execute(counts)}
        at_work = {row[0]: (str(row[1]), row[2]) for row in conn.execute(working)}
        questions = {row[0]: (str(row[1]), row[2]) for row in conn.execute(asked)}
        bills = {
            row["run_id"]: (int(row["tokens"]), None if row["unpriced"] else dollars(row))
            for row in conn.execute(spent).mappings()
        }
        lost = lost_by_run(conn, run_ids)
        found: dict[str, Standing] = {}
        for row in conn.execute(held).mappings():
            run_id, state = row["run_id"], RunState(row["state"])
            count, completed = numbers.get(run_id, (0, 0))
            waits = state is RunState.AWAITING_APPROVAL
            executing = state is RunState.PHASE_EXECUTION
            phase, began = at_work.get(run_id, (None, None)) if executing else (None, None)
            question, asked_at = questions.get(run_id, (None, None)) if waits else (None, None)
            expires_at: datetime | None = row["expires_at"]
            tokens, cost = bills.get(run_id, (None if run_id in lost else 0, Decimal(0)))
            found[run_id] = Standing(
                run_id=run_id,
                state=state,
                flow_run_id=row["flow_run_id"],
                phases=count,
                completed=completed,
                phase=phase,
                since=row["finished_at"] or began or asked_at,
                question=question,
                failure_reason=row["failure_reason"],
                silent_since=expires_at if executing and expires_at and expires_at < at else None,
                interrupted=executing and expires_at is None,
                tokens=tokens,
                unknown_builds=lost[run_id].builds if run_id in lost else 0,
                cost=None if run_id in lost else cost,
            )
    return [found[run_id] for run_id in run_ids if run_id in found]
