"""Writes of attempts and of the decisions after them; all fenced by the run's lease."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from autopack.model.errors import IllegalTransition, NotFound
from autopack.model.states import (
    AttemptState,
    PhaseState,
    RunState,
    check_transition,
)
from autopack.store import tables
from autopack.store.database.engine import now
from autopack.store.error_log import log_error
from autopack.store.intents import (
    open_intent,
)
from autopack.store.leases import Lease, fence
from autopack.store.rows import AttemptRow, Findings


def start_attempt(
    conn: sa.Connection,
    lease: Lease,
    phase_id: str,
    *,
    base_commit: str,
    builder: str,
    hint: str | None,
    home: str | None = None,
) -> AttemptRow:
    """Open the next attempt of an executing phase, and the intent of its builder's call.

    ``home`` is the id of the home that will have its spool.

    Raises LeaseLost, NotFound, and IllegalTransition when the phase is not executing or has an
    attempt that is still open.
    """
    fence(conn, lease)
    run_id, phases, table = lease.run_id, tables.phases, tables.attempts
    phase = conn.execute(
        sa.select(phases.c.state, phases.c.revision).where(
            phases.c.run_id == run_id, phases.c.phase_id == phase_id
        )
    ).first()
    if phase is None:
        raise NotFound(f"run {run_id} has no phase {phase_id!r}", field="phase_id")
    if phase.state is not PhaseState.EXECUTING:
        raise IllegalTransition(f"phase {phase_id} is {phase.state}: no attempt may start")
    earlier = conn.execute(
        sa.select(table.c.attempt, table.c.state, table.c.built_at).where(
            table.c.run_id == run_id, table.c.phase_id == phase_id
        )
    ).all()
    for row in earlier:
        if row.state.is_open:
            raise IllegalTransition(f"attempt {row.attempt} of {phase_id} is still {row.state}")
    number = max((row.attempt for row in earlier), default=0) + 1
    inserted = conn.execute(
        sa.insert(table)
        .values(
            run_id=run_id,
            phase_id=phase_id,
            attempt=number,
            revision=phase.revision,
            state=AttemptState.STARTED,
            base_commit=base_commit,
            builder=builder,
            recorded_build=sum(row.built_at is not None for row in earlier) + 1,
            hint=hint,
            home=home,
            started_at=now(conn),
        )
        .returning(table)
    )
    started = AttemptRow.of(inserted.mappings().one())
    open_intent(conn, run_id, phase_id, number, "builder")
    return started


def finish_build(
    conn: sa.Connection,
    lease: Lease,
    phase_id: str,
    attempt: int,
    *,
    commit: str,
    build_status: str,
    exit_status: int | None,
    summary: str | None,
    changed_paths: Sequence[str],
    ended_by: str | None = None,
    http_status: int | None = None,
    retry_after: float | None = None,
    build_cause: str | None = None,
) -> None:
    """The builder ended and its tree is ``commit``. Raises LeaseLost and IllegalTransition."""
    _move(
        conn,
        lease,
        phase_id,
        attempt,
        AttemptState.BUILT,
        commit=commit,
        build_status=build_status,
        exit_status=exit_status,
        summary=summary,
        changed_paths=list(changed_paths),
        ended_by=ended_by,
        http_status=http_status,
        retry_after=retry_after,
        build_cause=build_cause,
        built_at=now(conn),
    )


def finish_attempt(
    conn: sa.Connection,
    lease: Lease,
    phase_id: str,
    attempt: int,
    *,
    state: AttemptState,
    failure_cause: str | None = None,
    failure_message: str | None = None,
    failure_output: str | None = None,
    findings: Findings = Findings(),  # noqa: B008 - a frozen value
    counts: bool = True,
    keeps_work: bool | None = None,
) -> None:
    """End an attempt as PASSED, FAILED or INTERRUPTED; the error of a failed one is logged.

    ``counts`` is False when trouble outside ended it: it uses up no attempt. ``keeps_work`` tells
    whether the attempt after a failed one starts from its tree.

    Raises LeaseLost and IllegalTransition.
    """
    if state.is_open:
        raise IllegalTransition(f"attempt: {state} is no way to end")
    _move(
        conn,
        lease,
        phase_id,
        attempt,
        state,
        failure_cause=failure_cause,
        failure_message=failure_message,
        failure_output=failure_output,
        left_out=findings.left_out,
        changed_tests=findings.changed_tests,
        counts=counts,
        keeps_work=keeps_work,
        finished_at=now(conn),
    )
    if state is not AttemptState.INTERRUPTED:
        runs = tables.runs
        conn.execute(
            sa.update(runs)
            .where(runs.c.run_id == lease.run_id, runs.c.recoveries > runs.c.recoveries_at_progress)
            .values(recoveries_at_progress=runs.c.recoveries)
        )
    if state is AttemptState.FAILED:
        log_error(
            conn,
            lease.run_id,
            phase_id,
            attempt,
            error_type=failure_cause or "unknown",
            message=failure_message,
            output=failure_output,
        )


def _move(
    conn: sa.Connection,
    lease: Lease,
    phase_id: str,
    attempt: int,
    state: AttemptState,
    **values: Any,
) -> None:
    fence(conn, lease)
    table = tables.attempts
    where = sa.and_(
        table.c.run_id == lease.run_id, table.c.phase_id == phase_id, table.c.attempt == attempt
    )
    old = conn.scalar(sa.select(table.c.state).where(where))
    if old is None:
        raise NotFound(f"{lease.run_id}/{phase_id} has no attempt {attempt}", field="attempt")
    check_transition("attempt", old, state)
    conn.execute(sa.update(table).where(where).values(state=state, **values))


def record_decision(
    conn: sa.Connection,
    lease: Lease,
    phase_id: str,
    attempt: int,
    kind: str,
    reason: str,
    *,
    run_state: RunState | None = None,
) -> None:
    """Keep what was decided after an attempt, and why. Raises LeaseLost.

    ``run_state`` is where a decision to stop ends the run: a resumed run ends there too.
    """
    fence(conn, lease)
    conn.execute(
        sa.insert(tables.decisions).values(
            run_id=lease.run_id,
            phase_id=phase_id,
            attempt=attempt,
            kind=kind,
            reason=reason,
            run_state=run_state,
            created_at=now(conn),
        )
    )
