"""What the rules of asking a doctor look at, read from a run's history."""

from __future__ import annotations

from autopack.model.causes import Failure, FailureCause
from autopack.model.states import AttemptState
from autopack.plan.plan import DoctorMode
from autopack.repair.doctor.routing import (
    Calls,
    Consultation,
    DoctorTier,
    route,
)
from autopack.runs.session.session import RunSession
from autopack.store.mitigations import get_consultations
from autopack.store.runs import get_attempts
from autopack.store.tables import DoctorModel

_INTERVENTIONS = frozenset({"replan", "rollback_run", "mark_fatal"})


def consultation(
    session: RunSession, phase_id: str, failure: Failure, *, cheap_confidence: float | None = None
) -> Consultation:
    """The case of a phase whose present attempt failed with ``failure``."""
    attempts = get_attempts(session.db, session.run_id)
    own = [attempt for attempt in attempts if attempt.phase_id == phase_id]
    failed = [one for one in attempts if one.state is AttemptState.FAILED and one.counts]
    asked = get_consultations(session.db, session.run_id)
    here = [call for call in asked if call.phase_id == phase_id]
    allowed = sum(phase.budget.attempts for phase in session.plan.phases)
    earlier = [
        FailureCause(attempt.failure_cause)
        for attempt in own
        if attempt.state is AttemptState.FAILED and attempt.failure_cause
    ]
    return Consultation(
        causes=(*earlier, failure.cause),
        builds=sum(attempt.is_counted for attempt in own),
        calls=Calls(
            phase=len(here),
            run=len(asked),
            run_infrastructure=sum(call.infrastructure for call in asked),
            run_strong=sum(call.tier == DoctorTier.STRONG for call in asked),
        ),
        health=min((len(failed) + 1) / allowed, 1.0),
        intervened=any(call.action in _INTERVENTIONS for call in here),
        cheap_confidence=cheap_confidence,
    )


def skipped_doctor(session: RunSession, phase_id: str, failure: Failure) -> DoctorModel | None:
    """The doctor that would have been asked about a failure that was met without one.

    None where no rule asks for one, and where no cap would have let it be paid for.
    """
    if session.plan.policy.doctor is DoctorMode.OFF:
        return None
    if session.exhausted(session.phase(phase_id)) is not None:
        return None
    tier = route(consultation(session, phase_id, failure)).tier
    return tier.value if tier else None
