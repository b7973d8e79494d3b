"""Asking a doctor about a failed attempt: bounded in budget and time, and paid for once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import sqlalchemy as sa

from autopack.context import DOCTOR_BYTES, intention
from autopack.failpoints import Step, durable
from autopack.ledger.events.build_events import builder_events
from autopack.ledger.events.doctor_events import doctor_events
from autopack.model.causes import POLICIES, Failure
from autopack.model.features import Feature
from autopack.model.ids import AttemptKey
from autopack.model.locations import expanded
from autopack.model.states import AttemptState
from autopack.plan.plan import DoctorMode
from autopack.repair.decide import Consult
from autopack.repair.doctor import Answer, Doctor, DoctorFailed, Opinion
from autopack.repair.doctor.hide_secrets import redacted
from autopack.repair.doctor.question import DIFF_BYTES, Case, question
from autopack.repair.doctor.routing import DoctorTier
from autopack.repair.facts import RepairState
from autopack.runs import calling
from autopack.runs.repair.gather_facts import completed
from autopack.runs.session.session import RunSession
from autopack.settings import DOCTOR_RECORDING, process_environment
from autopack.store.mitigations import ConsultationRow, get_consultations, record_consultation
from autopack.store.runs import record_decision


async def consult(
    session: RunSession, key: AttemptKey, repair: RepairState, chosen: Consult
) -> RepairState:
    """Ask a doctor about the failure of an attempt, and store its answer."""
    if repair.failure is None:
        return repair
    answered = await _ask(session, key, repair.failure, chosen)
    return repair if answered else replace(repair, unanswered=True)


def _doctor(session: RunSession) -> Doctor:
    """Return the doctor that the plan names. Raises BadInput when it cannot be used."""
    if session.plan.policy.doctor is DoctorMode.API:
        from autopack.repair.doctor.api_doctor import ApiDoctor

        return ApiDoctor.of(session.plan.models, session.doctor)
    from autopack.testing.scripted_doctor import ScriptDoctor

    recording = DOCTOR_RECORDING.of() or session.run().builder_options.get("recording", ".")
    return ScriptDoctor(expanded(recording, "recording").absolute())


async def _ask(session: RunSession, key: AttemptKey, failure: Failure, chosen: Consult) -> bool:
    """Make one call: its intent and budget; its cost, even if the lease is lost by then; its
    answer. Return whether there is one.
    """
    doctor, tier = _doctor(session), chosen.tier
    calls = [c for c in get_consultations(session.db, session.run_id) if c.phase_id == key.phase_id]
    call = len(calls) + 1
    text = question(_case(session, key, failure))
    text = redacted(session.redactor.text(text), process_environment())

    most = doctor.most(text, tier=tier, phase_id=key.phase_id, call=call)
    # Each try has an intent of its own: one whose process died stays unreconciled.
    with durable(Step.DOCTOR_ASKED):
        made = await calling.announce(session, key, "doctor", most, doctor.seconds)
    if isinstance(made, str):
        _note(session, key, f"not asked: {made}")
        return False
    opinion: Opinion | None = None
    try:
        with durable(Step.DOCTOR_PAID):
            session.mirror.fence.check()
            asking = doctor.ask(text, tier=tier, phase_id=key.phase_id, call=call)
            opinion = await session.switch.guard(asyncio.wait_for(asking, made.seconds))
        spent, problem = opinion.calls, ""
    except DoctorFailed as error:
        spent, problem = error.calls, error.message
    except TimeoutError:
        calling.give_up(session, made.intent)
        _note(session, key, f"no answer after {made.seconds:.0f} s")
        return False
    except BaseException:
        # Stopped or cancelled: nobody waits for the answer, so nothing may be held for it.
        calling.give_up(session, made.intent)
        raise
    answer = opinion.answer if opinion else None
    calls = builder_events(
        spent,
        key,
        simulated=session.plan.policy.doctor is DoctorMode.SCRIPT,
    )
    events = doctor_events(
        calls,
        tier=tier.value,
        action=answer.action.value if answer else None,
        earlier=made.intent.call * _MOST_OF_A_TRY,
    )
    with durable(Step.DOCTOR_COUNTED):
        calling.record(session, made.intent, events, spent)

    def write(conn: sa.Connection) -> None:
        if answer is None:
            record_decision(conn, session.lease, key, "doctor", f"no answer: {problem}")
            return
        record_consultation(conn, session.lease, _as_row(key, answer, chosen, failure))
        said = f"{tier.value} ({chosen.reason}): {answer.action.value}, {answer.confidence:.2f}"
        record_decision(conn, session.lease, key, "doctor", f"{said}: {answer.rationale}")

    with durable(Step.DOCTOR_ANSWERED):
        session.transact(write)
    return answer is not None


def _case(session: RunSession, key: AttemptKey, failure: Failure) -> Case:
    plan, run = session.plan, session.run()
    attempt, head = session.attempt(key), session.head()
    goal = plan.goal
    if session.has(Feature.INTENTION_CONTEXT):
        goal = intention(plan.goal, plan.success_criteria, plan.non_goals, limit=DOCTOR_BYTES).text
    commit = attempt.commit
    earlier = [(commit, f"completed {phase}") for commit, phase in completed(session)]
    return Case(
        goal=goal,
        instructions=session.phase(key.phase_id).instructions,
        failure=failure,
        diff=session.mirror.diff(head, commit, DIFF_BYTES) if commit else "",
        history=[
            f"attempt {one.attempt}: {one.failure_cause}: {one.failure_message}"
            for one in session.snapshot(key.phase_id).attempts
            if one.state is AttemptState.FAILED
        ],
        commits=[(run.base_commit, "before the run"), *earlier],
        allowed=plan.policy.execute_fix,
    )


# More calls than a build or one try makes, so that each has a number of its own.
_MOST_OF_A_TRY = 1_000_000


def _as_row(key: AttemptKey, answer: Answer, chosen: Consult, failure: Failure) -> ConsultationRow:
    return ConsultationRow(
        phase_id=key.phase_id,
        attempt=key.attempt,
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


def _note(session: RunSession, key: AttemptKey, reason: str) -> None:
    session.transact(lambda conn: record_decision(conn, session.lease, key, "doctor", reason))
