"""The facts about an attempt of a run that what follows it is decided from."""

from __future__ import annotations

from autopack.model.causes import Failure, FailureCause
from autopack.model.features import Feature
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState, PhaseState
from autopack.plan.plan import DoctorMode
from autopack.repair.decide import Decision, Repair, decide
from autopack.repair.doctor.doctor import Answer, DoctorAction
from autopack.repair.doctor.routing import Calls, Consultation, DoctorTier
from autopack.repair.facts import DoctorFacts, Facts, History, RepairState, ReviewFacts
from autopack.repair.review import Verdict
from autopack.runs.repair.watch import possible, watch
from autopack.runs.session.session import RunSession
from autopack.store.mitigations import ConsultationRow, get_consultations
from autopack.store.reviews import get_reviews
from autopack.store.runs import get_attempts

_INTERVENTIONS = frozenset({"replan", "rollback_run", "mark_fatal"})


def next_step(session: RunSession, key: AttemptKey, repair: RepairState) -> Repair | Decision:
    """Decide what follows an attempt that stands as ``repair`` says.

    The patterns look at its failure first: what they see is recorded before anything acts on it.
    """
    watch(session, key, repair)
    return decide(attempt_facts(session, key, repair))


def attempt_facts(
    session: RunSession,
    key: AttemptKey,
    repair: RepairState,
    *,
    mitigates: bool | None = None,
) -> Facts:
    """Read what there is to know about an attempt; of one that passes, nothing more matters.

    ``mitigates`` stands in for the run's feature: what would follow with it, or without?
    """
    failure = repair.failure
    if failure is None:
        changed = session.attempt(key).changed_paths != ()
        return Facts(repair, review=_review(session, key), changed=changed)
    if mitigates is None:
        mitigates = session.has(Feature.FAILURE_HARDENING)
    return Facts(
        repair,
        history=_history(session, key),
        exhausted=session.exhausted(session.phase(key.phase_id)),
        ask_at_cap=session.run().at_cap == "ask",
        mitigates=mitigates,
        possible=possible(session, key, repair) if mitigates else (),
        doctor=_doctor(session, key, failure),
    )


def _review(session: RunSession, key: AttemptKey) -> ReviewFacts | None:
    policy = session.plan.policy
    if policy.review == "off":
        return None
    found, attempt = get_reviews(session.db, key.run_id, key.phase_id), session.attempt(key)
    # Also one that was given before a crash: an answer is paid for once.
    given = [
        one for one in found if (one.attempt, one.commit) == (key.attempt, attempt.built_commit)
    ]
    return ReviewFacts(
        rounds=len(found),
        verdict=Verdict(given[-1].verdict) if given else None,
        why=given[-1].why if given else "",
        required=policy.review_required,
        accepted=session.snapshot(key.phase_id).accepted_by(attempt),
    )


def _history(session: RunSession, key: AttemptKey) -> History:
    attempts = session.snapshot(key.phase_id).attempts
    revision = next(one.revision for one in attempts if one.key == key)
    at = session.clock.monotonic()
    return History(
        ended=sum(one.is_counted and one.revision == revision for one in attempts),
        allowed=session.phase(key.phase_id).budget.attempts,
        replans=session.snapshot(key.phase_id).replans(key.phase_id),
        outage=session.outage.lasted(at),
        patience=session.seconds_left(),
        pause=session.outage.pause(at),
    )


def _doctor(session: RunSession, key: AttemptKey, failure: Failure) -> DoctorFacts | None:
    if session.plan.policy.doctor is DoctorMode.OFF:
        return None
    asked = get_consultations(session.db, session.run_id)
    # Also one that was given before a crash: an answer is paid for once.
    given = [call for call in asked if (call.phase_id, call.attempt) == (key.phase_id, key.attempt)]
    return DoctorFacts(
        _consultation(session, key, failure, asked),
        answer=_as_answer(given[-1]) if given else None,
        tier=DoctorTier(given[-1].tier) if given else None,
        allowed=tuple(session.plan.policy.execute_fix),
        commits=(session.run().base_commit, *(commit for commit, _ in completed(session))),
    )


def _consultation(
    session: RunSession,
    key: AttemptKey,
    failure: Failure,
    asked: list[ConsultationRow],
) -> Consultation:
    attempts = get_attempts(session.db, session.run_id)
    own = [attempt for attempt in attempts if attempt.phase_id == key.phase_id]
    failed = [one for one in attempts if one.state is AttemptState.FAILED and one.counts]
    here = [call for call in asked if call.phase_id == key.phase_id]
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
    )


def completed(session: RunSession) -> list[tuple[str, str]]:
    """Return the commits of the phases that are complete, in order, each with its phase."""
    return [
        (phase.commit, phase.phase_id)
        for phase in session.snapshot().phases
        if phase.state is PhaseState.COMPLETE and phase.commit
    ]


def _as_answer(row: ConsultationRow) -> Answer:
    return Answer(
        action=DoctorAction(row.action),
        confidence=row.confidence,
        rationale=row.rationale,
        hint=row.hint,
        commit=row.commit,
        commands=tuple(tuple(argv) for argv in row.commands),
    )
