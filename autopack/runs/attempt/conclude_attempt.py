"""Ending an attempt: judged, and recorded with what follows from that."""

from __future__ import annotations

from sqlalchemy import Connection

from autopack.failpoints import Step, durable
from autopack.model.causes import POLICIES, Failure
from autopack.model.states import AttemptState, PhaseState
from autopack.repair.decide import (
    Decision,
    DecisionKind,
    History,
    Prescription,
    decide,
)
from autopack.runs.attempt.decisions import record
from autopack.runs.attempt.judge import judge, phase_checks
from autopack.runs.attempt.prescribe import carry_out
from autopack.runs.session.session import RunSession
from autopack.runs.spools.redact_spools import mark_redacted
from autopack.store import approvals
from autopack.store.mitigations import count_replans
from autopack.store.runs import (
    Findings,
    finish_attempt,
    get_attempts,
    move_phase,
    set_head,
)


async def validate(session: RunSession, phase_id: str, number: int) -> Failure | None:
    """Judge the attempt's commit: its scope, its deliverables, then its checks."""
    attempt = session.attempt(phase_id, number)
    phase = session.phase(phase_id)
    return await judge(session, phase, attempt, attempt.built_commit, phase_checks(session, phase))


def conclude(
    session: RunSession,
    phase_id: str,
    number: int,
    failure: Failure | None,
    prescription: Prescription | None = None,
) -> Decision:
    """Record the verdict and what follows from it, in one transaction."""
    attempt = session.attempt(phase_id, number)
    phase = session.phase(phase_id)
    ended = [
        other
        for other in get_attempts(session.db, session.run_id, phase_id)
        if other.is_counted and other.revision == attempt.revision
    ]
    at = session.clock.monotonic()
    decision = decide(
        History(
            ended=len(ended),
            allowed=phase.budget.attempts,
            replans=count_replans(session.db, session.run_id, phase_id),
            outage=session.outage.lasted(at),
            patience=session.seconds_left(),
            pause=session.outage.pause(at),
        ),
        failure,
        exhausted := session.exhausted(phase),
        prescription,
        ask_at_cap=session.run().at_cap == "ask",
    )

    findings = session.findings.pop((phase_id, number), Findings(None, None))

    def write(conn: Connection) -> None:
        lease = session.lease
        mark_redacted(conn, session.run_id, phase_id, number)  # the judge did it
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
                approvals.ask(conn, lease, phase_id, decision.reason, exhausted=exhausted)
            elif prescription is not None:
                carry_out(conn, session, attempt, failure, decision, prescription)
        record(conn, session, phase_id, number, decision)

    with durable(Step.ATTEMPT_CONCLUDED):
        session.db.transact(write)
    return decision
