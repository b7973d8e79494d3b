"""Asking a doctor about a failed attempt: when the rules say so, bounded, paid for once."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from autopack.context import DOCTOR_BYTES, intention
from autopack.failpoints import Step, durable
from autopack.ledger.events.doctor_events import doctor_events
from autopack.model.causes import POLICIES, Failure
from autopack.model.features import Feature
from autopack.model.states import AttemptState, PhaseState
from autopack.plan.plan import DoctorMode
from autopack.repair.decide import Prescription
from autopack.repair.doctor import (
    Answer,
    Doctor,
    DoctorAction,
    DoctorFailed,
    Opinion,
)
from autopack.repair.doctor.hide_secrets import redacted
from autopack.repair.doctor.question import DIFF_BYTES, Case, question
from autopack.repair.doctor.routing import DoctorTier, Route, route
from autopack.runs import calling
from autopack.runs.repair.consult_facts import consultation
from autopack.runs.repair.mitigate import execute_fix
from autopack.runs.session.session import RunSession
from autopack.store.mitigations import ConsultationRow, get_consultations, record_consultation
from autopack.store.runs import get_attempts, get_phases, record_decision

RECORDING = "AUTOPACK_DOCTOR_RECORDING"
"""The environment variable that names the folder of recorded answers, for any builder."""


@dataclass(frozen=True)
class Outcome:
    """What is left of a failure after a doctor was asked, and what it wants done about it."""

    failure: Failure | None
    prescription: Prescription | None = None


async def consult(session: RunSession, phase_id: str, number: int, failure: Failure) -> Outcome:
    """Ask a doctor if the rules say so, and run the fix if it orders one that is allowed."""
    answer = await _opinion(session, phase_id, number, failure)
    if answer is None:
        return Outcome(failure)
    reason = f"doctor: {answer.rationale}"
    retry = Prescription(DoctorAction.RETRY_WITH_FIX, reason, answer.hint)
    if answer.action is DoctorAction.EXECUTE_FIX:
        refused = [argv for argv in answer.commands if argv not in session.plan.policy.execute_fix]
        if refused or not answer.commands:
            _note(session, phase_id, number, f"execute_fix refused: {refused or 'no command'}")
            return Outcome(failure, retry)
        left = await execute_fix(session, phase_id, number, failure, answer.commands)
        return Outcome(left, retry if left is not None else None)
    if answer.action is DoctorAction.ROLLBACK_RUN:
        commit = _commit_named(session, answer.commit)
        if commit is None:
            _note(session, phase_id, number, f"rollback refused: no commit {answer.commit!r}")
            return Outcome(failure, retry)
        return Outcome(failure, Prescription(answer.action, reason, commit=commit))
    if answer.action is DoctorAction.REPLAN and not answer.hint.strip():
        _note(session, phase_id, number, "replan refused: no new instructions")
        return Outcome(failure, retry)
    return Outcome(failure, Prescription(answer.action, reason, answer.hint))


def _doctor(session: RunSession) -> Doctor:
    """The doctor that the plan names. Raises BadInput when it cannot be used."""
    if session.plan.policy.doctor is DoctorMode.API:
        from autopack.repair.doctor.api_doctor import ApiDoctor

        return ApiDoctor.of(session.plan.models, session.doctor)
    from autopack.testing.scripted_doctor import ScriptDoctor

    recording = os.environ.get(RECORDING) or session.run().builder_options.get("recording", ".")
    return ScriptDoctor(Path(recording).expanduser().absolute())


async def _opinion(
    session: RunSession, phase_id: str, number: int, failure: Failure
) -> Answer | None:
    """The answer to act on: the last one given, or None when nobody is to be asked."""
    earlier = [
        call
        for call in get_consultations(session.db, session.run_id)
        if (call.phase_id, call.attempt) == (phase_id, number)
    ]
    if earlier:
        # Asked before a death: an answer is paid for once.
        return _as_answer(earlier[-1])
    answer: Answer | None = None
    while session.exhausted(session.phase(phase_id)) is None:
        confidence = answer.confidence if answer else None
        chosen = route(consultation(session, phase_id, failure, cheap_confidence=confidence))
        if chosen.tier is None:
            break
        asked = await _ask(session, phase_id, number, failure, chosen, chosen.tier)
        if asked is None:
            break
        answer = asked
        if chosen.tier is DoctorTier.STRONG:
            break
    return answer


async def _ask(
    session: RunSession,
    phase_id: str,
    number: int,
    failure: Failure,
    chosen: Route,
    tier: DoctorTier,
) -> Answer | None:
    """One call: its intent and budget; its cost, even if the lease is lost by then; its answer."""
    doctor = _doctor(session)
    calls = [c for c in get_consultations(session.db, session.run_id) if c.phase_id == phase_id]
    call = len(calls) + 1
    text = question(_case(session, phase_id, number, failure))
    text = redacted(session.redactor.text(text), os.environ)

    most = doctor.most(text, tier=tier, phase_id=phase_id, call=call)
    # Each try has an intent of its own: one whose process died stays unreconciled.
    with durable(Step.DOCTOR_ASKED):
        made = await calling.announce(session, phase_id, number, "doctor", most, doctor.seconds)
    if isinstance(made, str):
        _note(session, phase_id, number, f"not asked: {made}")
        return None
    opinion: Opinion | None = None
    try:
        with durable(Step.DOCTOR_PAID):
            session.mirror.fence.check()
            asking = doctor.ask(text, tier=tier, phase_id=phase_id, call=call)
            opinion = await session.switch.guard(asyncio.wait_for(asking, made.seconds))
        spent, problem = opinion.calls, ""
    except DoctorFailed as error:
        spent, problem = error.calls, error.message
    except TimeoutError:
        calling.give_up(session, made)
        _note(session, phase_id, number, f"no answer after {made.seconds:.0f} s")
        return None
    except BaseException:
        # Stopped or cancelled: nobody waits for the answer, so nothing may be held for it.
        calling.give_up(session, made)
        raise
    answer = opinion.answer if opinion else None
    events = doctor_events(
        spent,
        run_id=session.run_id,
        phase_id=phase_id,
        attempt=number,
        tier=tier.value,
        action=answer.action.value if answer else None,
        earlier=made.intent.call * _MOST_OF_A_TRY,
        simulated=session.plan.policy.doctor is DoctorMode.SCRIPT,
    )
    with durable(Step.DOCTOR_COUNTED):
        calling.record(session, made, events, spent)

    def write(conn: sa.Connection) -> None:
        if answer is None:
            record_decision(
                conn, session.lease, phase_id, number, "doctor", f"no answer: {problem}"
            )
            return
        record_consultation(conn, session.lease, _as_row(phase_id, number, answer, chosen, failure))
        said = f"{tier.value} ({chosen.reason}): {answer.action.value}, {answer.confidence:.2f}"
        record_decision(
            conn, session.lease, phase_id, number, "doctor", f"{said}: {answer.rationale}"
        )

    with durable(Step.DOCTOR_ANSWERED):
        session.db.transact(write)
    return answer


def _case(session: RunSession, phase_id: str, number: int, failure: Failure) -> Case:
    plan, run = session.plan, session.run()
    attempt, head = session.attempt(phase_id, number), session.head()
    goal = plan.goal
    if session.has(Feature.INTENTION_CONTEXT):
        goal = intention(plan.goal, plan.success_criteria, plan.non_goals, limit=DOCTOR_BYTES).text
    commit = attempt.commit
    return Case(
        goal=goal,
        instructions=session.phase(phase_id).instructions,
        failure=failure,
        diff=session.mirror.diff(head, commit, DIFF_BYTES) if commit else "",
        history=[
            f"attempt {one.attempt}: {one.failure_cause}: {one.failure_message}"
            for one in get_attempts(session.db, session.run_id, phase_id)
            if one.state is AttemptState.FAILED
        ],
        commits=[(run.base_commit, "before the run"), *_completed(session)],
        allowed=plan.policy.execute_fix,
    )


def _completed(session: RunSession) -> list[tuple[str, str]]:
    """The commits of the phases that are complete, in order."""
    return [
        (phase.commit, f"completed {phase.phase_id}")
        for phase in get_phases(session.db, session.run_id)
        if phase.state is PhaseState.COMPLETE and phase.commit
    ]


def _commit_named(session: RunSession, named: str) -> str | None:
    """The commit of the run that ``named`` abbreviates; None when it is none, or not clearly."""
    known = [session.run().base_commit, *(commit for commit, _ in _completed(session))]
    found = [commit for commit in known if commit.startswith(named)]
    return found[0] if len(found) == 1 and len(named) >= _SHORTEST_COMMIT else None


_SHORTEST_COMMIT = 7
# More calls than a build or one try makes, so that each has a number of its own.
_MOST_OF_A_TRY = 1_000_000


def _as_row(
    phase_id: str, number: int, answer: Answer, chosen: Route, failure: Failure
) -> ConsultationRow:
    return ConsultationRow(
        phase_id=phase_id,
        attempt=number,
        tier="strong" if chosen.tier is DoctorTier.STRONG else "cheap",
        route=chosen.reason,
        infrastructure=POLICIES[failure.cause].infrastructure,
        action=answer.action.value,
        confidence=answer.confidence,
        rationale=answer.rationale,
        hint=answer.hint,
        commit=answer.commit,
        commands=[list(argv) for argv in answer.commands],
    )


def _as_answer(row: ConsultationRow) -> Answer:
    return Answer(
        action=DoctorAction(row.action),
        confidence=row.confidence,
        rationale=row.rationale,
        hint=row.hint,
        commit=row.commit,
        commands=tuple(tuple(argv) for argv in row.commands),
    )


def _note(session: RunSession, phase_id: str, number: int, reason: str) -> None:
    session.db.transact(
        lambda conn: record_decision(conn, session.lease, phase_id, number, "doctor", reason)
    )
