"""Carrying out what a doctor prescribed for a whole phase: replan, rollback, skip."""

from __future__ import annotations

from sqlalchemy import Connection

from autopack.model.causes import Failure
from autopack.model.ids import AttemptKey
from autopack.model.states import PhaseState
from autopack.plan.plan import OnSkip, Plan
from autopack.repair.decide import DecisionKind
from autopack.repair.doctor.prescription import Prescription
from autopack.runs.session.session import RunSession
from autopack.store.mitigations import record_revision
from autopack.store.runs import (
    AttemptRow,
    PhaseFailure,
    get_phases,
    get_run,
    move_phase,
    record_decision,
    set_head,
)


def carry_out(
    conn: Connection,
    session: RunSession,
    attempt: AttemptRow,
    failure: Failure,
    kind: DecisionKind,
    prescription: Prescription,
) -> None:
    """Change the run's phases as was decided; a retry needs nothing more."""
    if kind is DecisionKind.REPLAN:
        _replan(conn, session, attempt, prescription)
    elif kind is DecisionKind.ROLLBACK:
        _rollback(conn, session, attempt, prescription.commit)
    elif kind is DecisionKind.SKIP:
        _skip(conn, session, attempt, failure)


def _replan(
    conn: Connection, session: RunSession, attempt: AttemptRow, prescription: Prescription
) -> None:
    move_phase(conn, session.lease, attempt.phase_id, PhaseState.QUEUED, allowing="rollback")
    record_revision(
        conn,
        session.lease,
        attempt.phase_id,
        attempt.revision + 1,
        prescription.text,
        prescription.reason,
    )


def _rollback(conn: Connection, session: RunSession, attempt: AttemptRow, commit: str) -> None:
    """The run stands at ``commit`` again; what came after it is queued, its commits stay."""
    phases = get_phases(conn, session.run_id)
    kept = next((phase.ordinal for phase in phases if phase.commit == commit), -1)
    for phase in phases:
        came_after = phase.ordinal > kept and phase.state is not PhaseState.QUEUED
        if came_after or phase.phase_id == attempt.phase_id:
            move_phase(conn, session.lease, phase.phase_id, PhaseState.QUEUED, allowing="rollback")
    is_base = commit == get_run(conn, session.run_id).base_commit
    set_head(conn, session.lease, None if is_base else commit)


def _skip(conn: Connection, session: RunSession, attempt: AttemptRow, failure: Failure) -> None:
    """Skip the phase, and what depends on it unless the plan releases that."""
    move_phase(
        conn,
        session.lease,
        attempt.phase_id,
        PhaseState.SKIPPED,
        failure=PhaseFailure(failure.cause.value, failure.message),
    )
    if session.plan.policy.on_skip is OnSkip.RELEASE:
        return
    queued = {
        phase.phase_id
        for phase in get_phases(conn, session.run_id)
        if phase.state is PhaseState.QUEUED
    }
    for phase_id in _dependants(session.plan, attempt.phase_id):
        if phase_id in queued:
            move_phase(conn, session.lease, phase_id, PhaseState.SKIPPED)
            reason = f"depends on {attempt.phase_id}, which was skipped"
            about = AttemptKey(session.run_id, phase_id, 0)
            record_decision(conn, session.lease, about, "skip", reason)


def _dependants(plan: Plan, phase_id: str) -> list[str]:
    """Return every phase that needs ``phase_id``, directly or by way of others, in plan order."""
    blocked = {phase_id}
    for phase in plan.ordered():
        if not blocked.isdisjoint(phase.depends_on):
            blocked.add(phase.id)
    return [phase.id for phase in plan.ordered() if phase.id in blocked - {phase_id}]
