"""Ending an attempt: judged, and recorded with what was decided to follow."""

from __future__ import annotations

from sqlalchemy import Connection

from autopack.failpoints import Step, durable
from autopack.model.causes import POLICIES, Failure
from autopack.model.features import Feature
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState, PhaseState
from autopack.repair.decide import Decision, DecisionKind
from autopack.repair.lifecycle.later_attempts import settle_phase
from autopack.runs.attempt.decisions import record
from autopack.runs.attempt.judge import judge, phase_checks
from autopack.runs.attempt.prescribe import carry_out
from autopack.runs.attempt.reviewed_lines import quotes_changed
from autopack.runs.session.session import RunSession
from autopack.runs.spools.conversations import forget_conversations
from autopack.runs.spools.redact_spools import mark_redacted
from autopack.store import approvals
from autopack.store.reviews import note_changed
from autopack.store.runs import (
    Ended,
    Findings,
    PhaseFailure,
    finish_attempt,
    move_phase,
    record_decision,
    set_head,
)

_ENDS = {
    DecisionKind.COMPLETE: PhaseState.COMPLETE,
    DecisionKind.STOP: PhaseState.FAILED,
    DecisionKind.SKIP: PhaseState.SKIPPED,
}
"""How a phase stands after decisions that end it."""


async def validate(session: RunSession, key: AttemptKey) -> Failure | None:
    """Judge the attempt's commit: its scope, its deliverables, then its checks."""
    attempt, phase = session.attempt(key), session.phase(key.phase_id)
    return await judge(session, phase, attempt, attempt.built_commit, phase_checks(session, phase))


def conclude(
    session: RunSession, key: AttemptKey, failure: Failure | None, decision: Decision
) -> None:
    """Record the verdict and carry out what follows from it, in one transaction."""
    attempt, phase_id = session.attempt(key), key.phase_id
    findings = session.findings.pop(key, Findings(None, None))
    changed = quotes_changed(session, attempt, failure)

    def write(conn: Connection) -> None:
        lease, said = session.lease, decision.prescription
        mark_redacted(conn, key)  # the judge did it
        if said is not None and said.refused is not None:
            record_decision(conn, lease, key, "doctor", said.refused)
        if failure is None and decision.kind is DecisionKind.WAIT:
            # It stays as it is built: once a person has accepted it, it is not built again.
            approvals.ask(conn, lease, phase_id, decision.reason, attempt=key.attempt)
        elif failure is None:
            passed = Ended(state=AttemptState.PASSED, findings=findings)
            finish_attempt(conn, lease, key, passed)
            move_phase(conn, lease, phase_id, PhaseState.COMPLETE, commit=attempt.commit)
            set_head(conn, lease, attempt.built_commit)
        else:
            failed = Ended(
                state=AttemptState.FAILED,
                failure_cause=failure.cause.value,
                failure_message=failure.message,
                failure_output=failure.output,
                findings=findings,
                counts=POLICIES[failure.cause].counts,
                keeps_work=decision.keep_work,
            )
            finish_attempt(conn, lease, key, failed)
            if decision.kind is DecisionKind.STOP:
                why = PhaseFailure(failure.cause.value, failure.message)
                move_phase(conn, lease, phase_id, PhaseState.FAILED, failure=why)
            elif decision.kind is DecisionKind.WAIT:
                move_phase(conn, lease, phase_id, PhaseState.QUEUED)
                approvals.ask(conn, lease, phase_id, decision.reason, exhausted=decision.exhausted)
            elif said is not None:
                carry_out(conn, session, attempt, failure, decision.kind, said)
        for review_id, which in changed.items():
            note_changed(conn, lease, review_id, which)
        record(conn, session, key, decision)
        ended = _ENDS.get(decision.kind)
        if ended is not None and session.has(Feature.FAILURE_HARDENING):
            settle_phase(conn, session.run_id, phase_id, ended)

    with durable(Step.ATTEMPT_CONCLUDED):
        session.transact(write)
    if decision.kind in _ENDS:
        forget_conversations(session.folder, phase_id)
