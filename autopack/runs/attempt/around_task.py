"""What a builder is told of the run around its task: the plan, earlier attempts, red tests."""

from __future__ import annotations

from autopack.model.situation import EarlierAttempt, PlanStep, Situation, StepState
from autopack.model.states import AttemptState, PhaseState
from autopack.runs.session.session import RunSession
from autopack.store.reading import last_reason
from autopack.store.rows import AttemptRow

_STATES = {
    PhaseState.COMPLETE: StepState.DONE,
    PhaseState.FAILED: StepState.FAILED,
    PhaseState.SKIPPED: StepState.SKIPPED,
}


def situation_of(session: RunSession, attempt: AttemptRow) -> Situation:
    """Return what the builder of ``attempt`` is told."""
    now, phase_id = session.snapshot(attempt.phase_id), attempt.phase_id
    instructions = {phase.id: phase.instructions for phase in session.plan.phases}
    steps = [
        PlanStep(
            row.phase_id,
            instructions.get(row.phase_id, ""),
            StepState.NOW if row.phase_id == phase_id else _STATES.get(row.state, StepState.LATER),
            row.commit,
        )
        for row in now.phases
    ]
    failed = [
        one
        for one in now.attempts
        if one.state is AttemptState.FAILED and one.counts and one.revision == attempt.revision
    ]
    last = failed[-1] if failed else None
    return Situation(
        steps=steps,
        earlier=[_earlier(one) for one in failed],
        keeps_work=None if last is None else last.commit == attempt.base_commit,
        # Which tests failed at the base commit, as far as an attempt has shown it.
        red_before=last_reason(session.db, session.run_id, "baseline"),
        missing_submodules=sorted(session.workspace.missing_submodules),
    )


def _earlier(one: AttemptRow) -> EarlierAttempt:
    return EarlierAttempt(
        one.attempt, one.failure_cause or "failed", one.failure_message or "", one.summary
    )
