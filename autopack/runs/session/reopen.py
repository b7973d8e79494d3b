"""A run that ended for its environment continues once that is fixed."""

from __future__ import annotations

from sqlalchemy import Connection

from autopack.model.ids import AttemptKey
from autopack.model.states import PhaseState, RunState
from autopack.store.leases import Lease
from autopack.store.reading import REOPEN
from autopack.store.runs import (
    get_attempts,
    get_phases,
    get_run,
    move_phase,
    move_run,
    record_decision,
)


def reopen(conn: Connection, lease: Lease) -> None:
    """Have the run continue: phases that failed are queued again, with their attempts and hints.

    Why it had ended is kept in the decision that reopens it. Raises IllegalTransition for a run
    that ended otherwise.
    """
    reason = get_run(conn, lease.run_id).failure_reason
    phases = get_phases(conn, lease.run_id)
    failed = [phase for phase in phases if phase.state is PhaseState.FAILED]
    left = [phase for phase in phases if phase.state is PhaseState.QUEUED]
    move_run(conn, lease, RunState.PHASE_EXECUTION, reopen=True)
    for phase in failed:
        move_phase(conn, lease, phase.phase_id, PhaseState.QUEUED, allowing="reopen")
    for phase in failed or left[:1]:
        attempts = get_attempts(conn, lease.run_id, phase.phase_id)
        number = attempts[-1].attempt if attempts else 0
        key = AttemptKey(lease.run_id, phase.phase_id, number)
        record_decision(conn, lease, key, REOPEN, f"resumed; it had ended: {reason}")
