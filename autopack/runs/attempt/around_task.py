"""What a builder is told of the run around its task: the plan, earlier attempts, red tests."""

from __future__ import annotations

from autopack.model.situation import EarlierAttempt, PlanStep, Situation, StepState
from autopack.model.states import AttemptState, PhaseState
from autopack.runs.session.session import RunSession
from autopack.store.reading import get_attempts, get_decisions, get_phases
from autopack.store.rows import AttemptRow

_STATES = {
    PhaseState.COMPLETE: StepState.DONE,
    PhaseState.FAILED: StepState.FAILED,
    PhaseState.SKIPPED: StepState.SKIPPED,
}


def situation_of(session: RunSession, attempt: AttemptRow) -> Situation:
    """Return what the builder of ``attempt`` is told."""
    run_id, phase_id = session.run_id, attempt.phase_id
    instructions = {phase.id: phase.instructions for phase in session.plan.phases}
    steps = [
        PlanStep(
            row.phase_id,
            instructions.get(row.phase_id, ""),
            StepState.NOW if row.phase_id == phase_id else _STATES.get(row.state, StepState.LATER),
            row.commit,
        )
        for row in get_phases(session.db, run_id)
    ]
    failed = [
        one
        for one in get_attempts(session.db, run_id, phase_id)
        if one.state is AttemptState.FAILED and one.counts and one.revision == attempt.revision
    ]
    last = failed[-1] if failed else None
    return Situation(
        steps=steps,
        earlier=[_earlier(one) for one in failed],
        keeps_work=None if last is None else last.commit == attempt.base_commit,
        red_before=_red_before(session),
        missing_submodules=sorted(session.workspace.missing_submodules),
    )


def _earlier(one: AttemptRow) -> EarlierAttempt:
    return EarlierAttempt(
        one.attempt, one.failure_cause or "failed", one.failure_message or "", one.summary
    )


def _red_before(session: RunSession) -> str | None:
    """Return which tests failed at the base commit, as far as an attempt has shown it."""
    found = [one for one in get_decisions(session.db, session.run_id) if one.kind == "baseline"]
    return found[-1].reason if found else None
