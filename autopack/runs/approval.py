"""Waiting for a person: asking, closing the run meanwhile, and what follows the answer."""

from __future__ import annotations

import contextlib
import getpass
import socket

from autopack.clock import Clock
from autopack.model.errors import RunHeld
from autopack.model.states import RunState
from autopack.plan.plan import PhaseSpec
from autopack.runs.finish.finish import end_abandoned
from autopack.runs.session.session import RunSession
from autopack.settings import Settings
from autopack.store.approvals import (
    Answer,
    Approval,
    answer,
    ask,
    pending,
    rejection,
)
from autopack.store.database.engine import Database
from autopack.store.runs import get_run, move_run


def may_ask(session: RunSession, phase: PhaseSpec) -> bool:
    """Return whether a person has been asked something, or has to be before the phase begins."""
    now = session.snapshot()
    return now.question is not None or (phase.approval and not now.is_approved(phase.id))


def question_before(session: RunSession, phase: PhaseSpec) -> str | None:
    """Return what has to be answered before the phase may go on; None when nothing has.

    A phase that asks for approval puts its question here, once.
    """

    now = session.snapshot()
    if now.question is not None:
        return now.question.question
    if not phase.approval or now.is_approved(phase.id):
        return None
    question = f"phase {phase.id} waits for approval"
    session.transact(lambda conn: ask(conn, session.lease, phase.id, question))
    return question


def end_of_rejected(session: RunSession) -> tuple[RunState, str] | None:
    """Return where a run ends whose question was answered with no; None when none was."""
    rejected = rejection(session.db, session.run_id)
    return None if rejected is None else _ending(rejected)


def _ending(rejected: Approval) -> tuple[RunState, str]:
    reason = f"{rejected.question}: rejected by {rejected.answered_by}"
    if rejected.note:
        reason += f": {rejected.note}"
    if rejected.kind == "cap":
        return RunState.DONE_FAILED_BUDGET_EXHAUSTED, reason
    return RunState.DONE_CANCELLED, reason


def wait(session: RunSession, question: str) -> None:
    """Let the run wait: its workspace stays, and nobody has to hold it until it is answered."""
    session.transact(
        lambda conn: move_run(conn, session.lease, RunState.AWAITING_APPROVAL, reason=question)
    )


def is_waiting(db: Database, run_id: str) -> bool:
    """Return whether the run waits for an answer that nobody has given yet."""
    run = get_run(db, run_id)
    return run.state is RunState.AWAITING_APPROVAL and pending(db, run_id) is not None


def approve(
    run_id: str, given: Answer, *, db: Database, settings: Settings, clock: Clock
) -> Approval:
    """Answer the run's question. A run that is rejected ends here, unless somebody holds it.

    Raises Refused when nothing is asked and BadInput when a cap is not raised.
    """
    answered = answer(db, run_id, given)
    if given.approved:
        return answered
    with contextlib.suppress(RunHeld):  # its holder sees the answer and ends it
        end_abandoned(run_id, *_ending(answered), db=db, settings=settings, clock=clock)
    return answered


def who() -> str:
    """Return the person at this machine, as records name them."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
