"""Ending an attempt: judged, and recorded with what was decided to follow."""

from __future__ import annotations

from sqlalchemy import Connection

from autopack.failpoints import Step, durable
from autopack.model.causes import POLICIES, Failure
from autopack.model.states import AttemptState, PhaseState
from autopack.repair.decide import Decision, DecisionKind
from autopack.runs.attempt.decisions import record
from autopack.runs.attempt.judge import judge, phase_checks
from autopack.runs.attempt.prescribe import carry_out
from autopack.runs.session.session import RunSession
from autopack.runs.spools.redact_spools import mark_redacted
from autopack.store import approvals
from autopack.store.runs import (
    Findings,
    finish_attempt,
    move_phase,
    record_decision,
    set_head,
)


async def validate(session: RunSession, phase_id: str, number: int) -> Failure | None:
    """Judge the attempt's commit: its scope, its deliverables, then its checks."""
    attempt = session.attempt(phase_id, number)
    phase = session.phase(phase_id)
    return await judge(session, phase, attempt, attempt.built_commit, phase_checks(session, phase))


def conclude(
    session: RunSession, phase_id: str, number: int, failure: Failure | None, decision: Decision
) -> None:
    """Record the verdict and carry out what follows from it, in one transaction."""
    attempt = session.attempt(phase_id, number)
    findings = session.findings.pop((phase_id, number), Findings(None, None))

    def write(conn: Connection) -> None:
        lease, said = session.lease, decision.prescription
        mark_redacted(conn, session.run_id, phase_id, number)  # the judge did it
        if said is not None and said.refused is not None:
            record_decision(conn, lease, phase_id, number, "doctor", said.refused)
        if failure is None:
            finish_attempt(
                conn, lease, phase_id, number, state=AttemptState.PASSED, findings=findings
            )
            move_phase(conn, lease, phase_id, PhaseState.COMPLETE, commit=attempt.commit)
            set_head(conn, lease, attempt.built_commit)
        else:
            finish_attempt(
                conn,
                lease,
                phase_id,
                number,
                state=AttemptState.FAILED,
                failure_cause=failure.cause.value,
                failure_message=failure.message,
                failure_output=failure.output,
                findings=findings,
                counts=POLICIES[failure.cause].counts,
                keeps_work=decision.keep_work,
            )
            if decision.kind is DecisionKind.STOP:
                move_phase(
                    conn,
                    lease,
                    phase_id,
                    PhaseState.FAILED,
                    failure_cause=failure.cause.value,
                    failure_message=failure.message,
                )
            elif decision.kind is DecisionKind.WAIT:
                move_phase(conn, lease, phase_id, PhaseState.QUEUED)
                approvals.ask(conn, lease, phase_id, decision.reason, exhausted=decision.exhausted)
            elif said is not None:
                carry_out(conn, session, attempt, failure, decision.kind, said)
        record(conn, session, phase_id, number, decision)

    with durable(Step.ATTEMPT_CONCLUDED):
        session.db.transact(write)
