"""Writes of attempts and of the decisions after them; all fenced by the run's lease."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from autopack.model.errors import IllegalTransition, NotFound
from autopack.model.ids import AttemptKey
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
from autopack.store.keys import (
    attempt_named,
    named_attempt,
    named_phase,
    named_run,
    phase_named,
    run_named,
)
from autopack.store.leases import Lease, fence
from autopack.store.rows import AttemptRow, Built, Ended

_PHASE = sa.select(tables.phases.c.state, tables.phases.c.revision).where(
    named_phase(tables.phases)
)
_EARLIER = sa.select(
    tables.attempts.c.attempt, tables.attempts.c.state, tables.attempts.c.built_at
).where(named_phase(tables.attempts))
_START = sa.insert(tables.attempts).returning(tables.attempts)
_STATE = sa.select(tables.attempts.c.state).where(named_attempt(tables.attempts))
_CHANGE = sa.update(tables.attempts).where(named_attempt(tables.attempts))
_PROGRESS = (
    sa.update(tables.runs)
    .where(named_run(tables.runs), tables.runs.c.recoveries > tables.runs.c.recoveries_at_progress)
    .values(recoveries_at_progress=tables.runs.c.recoveries)
)
_DECIDE = sa.insert(tables.decisions)


def start_attempt(
    conn: sa.Connection,
    lease: Lease,
    phase_id: str,
    *,
    base_commit: str,
    builder: str,
    hint: str | None,
    home: str | None = None,
    model: str | None = None,
    level: int = 0,
) -> AttemptRow:
    """Open the next attempt of an executing phase, and the intent of its builder's call.

    ``home`` is the id of the home that will have its spool; ``model`` builds, at ``level`` of its
    ladder.

    Raises LeaseLost, NotFound, and IllegalTransition when the phase is not executing or has an
    attempt that is still open.
    """
    fence(conn, lease)
    run_id, named = lease.run_id, phase_named(lease.run_id, phase_id)
    phase = conn.execute(_PHASE, named).first()
    if phase is None:
        raise NotFound(f"run {run_id} has no phase {phase_id!r}", field="phase_id")
    if phase.state is not PhaseState.EXECUTING:
        raise IllegalTransition(f"phase {phase_id} is {phase.state}: no attempt may start")
    earlier = conn.execute(_EARLIER, named).all()
    for row in earlier:
        if row.state.is_open:
            raise IllegalTransition(f"attempt {row.attempt} of {phase_id} is still {row.state}")
    number = max((row.attempt for row in earlier), default=0) + 1
    row = {
        "run_id": run_id,
        "phase_id": phase_id,
        "attempt": number,
        "revision": phase.revision,
        "state": AttemptState.STARTED,
        "base_commit": base_commit,
        "builder": builder,
        "recorded_build": sum(row.built_at is not None for row in earlier) + 1,
        "hint": hint,
        "home": home,
        "model": model,
        "model_level": level,
        "started_at": now(conn),
    }
    started = AttemptRow.of(conn.execute(_START, row).mappings().one())
    open_intent(conn, started.key, "builder")
    return started


def finish_build(conn: sa.Connection, lease: Lease, key: AttemptKey, built: Built) -> None:
    """The builder ended and its tree is committed. Raises LeaseLost and IllegalTransition."""
    values = vars(built) | {"changed_paths": list(built.changed_paths)}
    _move(conn, lease, key, AttemptState.BUILT, **values, built_at=now(conn))


def finish_attempt(conn: sa.Connection, lease: Lease, key: AttemptKey, ended: Ended) -> None:
    """End an attempt as PASSED, FAILED or INTERRUPTED; the error of a failed one is logged.

    Raises LeaseLost and IllegalTransition.
    """
    if ended.state.is_open:
        raise IllegalTransition(f"attempt: {ended.state} is no way to end")
    _move(
        conn,
        lease,
        key,
        ended.state,
        failure_cause=ended.failure_cause,
        failure_message=ended.failure_message,
        failure_output=ended.failure_output,
        left_out=ended.findings.left_out,
        changed_tests=ended.findings.changed_tests,
        counts=ended.counts,
        keeps_work=ended.keeps_work,
        finished_at=now(conn),
    )
    if ended.state is not AttemptState.INTERRUPTED:
        conn.execute(_PROGRESS, run_named(lease.run_id))
    if ended.state is AttemptState.FAILED:
        log_error(
            conn,
            key,
            error_type=ended.failure_cause or "unknown",
            message=ended.failure_message,
            output=ended.failure_output,
        )


def _move(
    conn: sa.Connection, lease: Lease, key: AttemptKey, state: AttemptState, **values: Any
) -> None:
    fence(conn, lease)
    named = attempt_named(key)
    old = conn.scalar(_STATE, named)
    if old is None:
        raise NotFound(f"there is no attempt {key}", field="attempt")
    check_transition("attempt", old, state)
    conn.execute(_CHANGE, {**named, "state": state, **values})


def record_decision(
    conn: sa.Connection,
    lease: Lease,
    key: AttemptKey,
    kind: str,
    reason: str,
    *,
    run_state: RunState | None = None,
) -> None:
    """Keep what was decided after an attempt, and why. Raises LeaseLost.

    ``run_state`` is where a decision to stop ends the run: a resumed run ends there too.
    """
    fence(conn, lease)
    row = {"kind": kind, "reason": reason, "run_state": run_state, "created_at": now(conn)}
    conn.execute(_DECIDE, {**vars(key), **row})
