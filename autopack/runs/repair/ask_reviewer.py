"""Asking the reviewer about an attempt that passes: bounded in budget and time, paid for once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from autopack.failpoints import Step, durable
from autopack.ledger.events.build_events import builder_events
from autopack.ledger.events.reviewer_events import reviewer_events
from autopack.ledger.recorder import Intent
from autopack.model.calls import ModelCall
from autopack.model.causes import Failure, FailureCause
from autopack.model.errors import LeaseLost
from autopack.model.ids import AttemptKey
from autopack.repair.doctor.hide_secrets import redacted
from autopack.repair.facts import RepairState
from autopack.repair.review import Judgement, Reviewer, ReviewFailed, Verdict, judged
from autopack.repair.review.review_question import question
from autopack.repair.review.reviewer import Question, Reply
from autopack.runs import calling
from autopack.runs.repair.review_case import is_cut, review_case
from autopack.runs.repair.review_notes import (
    Noted,
    call_folder,
    earlier_calls,
    note_reply,
    read_reply,
)
from autopack.runs.repair.reviewer_of_run import reviewer_of
from autopack.runs.session.session import RunSession
from autopack.runs.spools.spool import open_spool
from autopack.settings import process_environment
from autopack.store.reviews import NewReview, ReviewRow, get_reviews, record_review
from autopack.store.runs import record_decision

_CUT = "the change is longer than a reviewer is shown, so that it cannot approve it"


async def review(session: RunSession, key: AttemptKey, repair: RepairState) -> RepairState:
    """Have an attempt that passes reviewed, unless its commit has been; a rejection is its
    failure.
    """
    if repair.failure is not None:
        return repair
    row = _stored(session, key)
    if row is None:
        await _ask(session, key, repair)
        row = _stored(session, key)
    if row is None or row.verdict != Verdict.REJECT:
        return repair
    return replace(repair, failure=_failure(row))


def _stored(session: RunSession, key: AttemptKey) -> ReviewRow | None:
    commit = session.attempt(key).built_commit
    found = get_reviews(session.db, key.run_id, key.phase_id)
    return next((x for x in found if (x.attempt, x.commit) == (key.attempt, commit)), None)


def _failure(row: ReviewRow) -> Failure:
    """Return a rejection as the failure of its attempt; its findings are the next one's hint."""
    first, *more = row.findings
    also = f" (and {len(more)} more)" if more else ""
    told = "\n\n".join(
        f"{number}. {one['path']}:\n{one['quote'].rstrip()}\n{one['problem']}"
        for number, one in enumerate(row.findings, 1)
    )
    message = " ".join(f"the reviewer rejects the change: {first['problem']}{also}".split())
    summary = f"{row.why}\n\n" if row.why else ""
    return Failure(FailureCause.REVIEW_REJECTED, message, f"{summary}{told}")


@dataclass(frozen=True)
class _Asking:
    """One review: of a commit of an attempt, the ``round``-th of its phase."""

    session: RunSession
    key: AttemptKey
    reviewer: Reviewer
    commit: str
    round: int
    text: str
    diff: str

    @property
    def spool(self) -> Path:
        return open_spool(self.session.folder, self.key)

    def question(self, call: int) -> Question:
        return Question(self.text, self.key.phase_id, self.round, call_folder(self.spool, call))

    def intent(self, call: int) -> Intent:
        return Intent(self.key, "reviewer", call)


async def _ask(session: RunSession, key: AttemptKey, repair: RepairState) -> None:
    """Ask, or take the reply that a holder of the run got before its process was killed, and
    store what it comes to.
    """
    commit = session.attempt(key).built_commit
    reviewer = reviewer_of(session, key)
    secrets = process_environment()
    case = review_case(session, key, repair)
    diff = redacted(session.redactor.text(case.diff), secrets)
    text = redacted(session.redactor.text(question(replace(case, diff=diff))), secrets)
    done = get_reviews(session.db, key.run_id, key.phase_id)
    asking = _Asking(session, key, reviewer, commit, len(done) + 1, text, diff)
    noted = _left_behind(asking) or await _call(asking)
    if isinstance(noted, Noted):
        _count(asking, noted)
    else:
        _store_silence(asking, noted)


def _left_behind(asking: _Asking) -> Noted | None:
    """Return the reply of an earlier call about the commit; count what calls spent that gave none.

    Their asker was killed. A program that it had started may have worked to its end since.
    """
    for call in earlier_calls(asking.spool):
        folder = call_folder(asking.spool, call)
        noted = read_reply(folder)
        if noted is None and (reply := asking.reviewer.left_behind(folder)) is not None:
            noted = _note(asking, call, reply)
        if noted is None:
            _count_lost(asking, call, asking.reviewer.spent(folder))
        elif noted.commit == asking.commit:
            return noted
    return None


async def _call(asking: _Asking) -> Noted | str:
    """Make one call: its intent and budget, then its reply, which is noted at once.

    A text says why there is none.
    """
    session, reviewer = asking.session, asking.reviewer
    most = reviewer.most(asking.question(0))
    with durable(Step.REVIEW_ASKED):
        made = await calling.announce(session, asking.key, "reviewer", most, reviewer.seconds)
    if isinstance(made, str):
        return f"not asked: {made}"
    call = made.intent.call
    told = asking.question(call)
    try:
        with durable(Step.REVIEW_PAID):
            session.mirror.fence.check()
            asked = reviewer.ask(told)
            try:
                reply = await session.switch.guard(asyncio.wait_for(asked, made.seconds))
                problem = None
            except ReviewFailed as error:
                reply = Reply("", error.calls, is_whole=error.is_whole)
                problem = error.message
            return _note(asking, call, reply, problem)
    except TimeoutError:
        _count_lost(asking, call, reviewer.spent(told.spool))
        return f"no answer after {made.seconds:.0f} s"
    except BaseException:
        # Stopped or cancelled: nobody waits for the answer, so nothing may be held for it.
        _count_lost(asking, call, reviewer.spent(told.spool))
        raise


def _note(asking: _Asking, call: int, reply: Reply, problem: str | None = None) -> Noted:
    hide = asking.session.redactor.text
    noted = Noted(
        asking.commit,
        call,
        hide(reply.text),
        tuple(reply.calls),
        tuple(map(hide, reply.notes)),
        problem and hide(problem),
        reply.is_whole,
    )
    folder = call_folder(asking.spool, call)
    note_reply(folder, noted)
    asking.session.redactor.folder(folder)
    return noted


def _count_lost(asking: _Asking, call: int, calls: Sequence[ModelCall]) -> None:
    """Count what is known of a call without a reply; it stays unreconciled."""
    session, intent = asking.session, asking.intent(call)
    if calls:
        events = reviewer_events(_events(asking, calls), call=call)
        calling.record_lost(session, events)
    calling.give_up(session, intent)


def _events(asking: _Asking, calls: Sequence[ModelCall]) -> Any:
    return builder_events(calls, asking.key, simulated=asking.reviewer.simulated)


def _count(asking: _Asking, noted: Noted) -> None:
    """Put the call into the ledger and store what its reply comes to, in one transaction.

    The ledger takes it also when the run was taken over; the review is for its holder alone.
    """
    session = asking.session
    found = judged(noted.text, asking.diff)
    if noted.problem is not None:
        found = Judgement(Verdict.INCONCLUSIVE, f"no answer: {noted.problem}")
    if found.verdict is Verdict.APPROVE and is_cut(asking.diff):
        found = replace(found, verdict=Verdict.INCONCLUSIVE, why=_CUT)
    new = _review(asking, found, noted.notes)

    def write(conn: sa.Connection) -> None:
        if record_review(conn, session.lease, new):
            record_decision(conn, session.lease, asking.key, "review", _told(new))

    def also(conn: sa.Connection) -> None:
        with suppress(LeaseLost):
            write(conn)

    events = reviewer_events(_events(asking, noted.calls), call=noted.call)
    with durable(Step.REVIEW_COUNTED):
        calling.record(
            session,
            asking.intent(noted.call),
            events,
            noted.calls,
            is_whole=noted.is_whole,
            also=also,
        )
    if _stored(session, asking.key) is None:
        session.transact(write)  # the ledger was away, or the lease is lost: it says so


def _store_silence(asking: _Asking, why: str) -> None:
    new = _review(asking, Judgement(Verdict.INCONCLUSIVE, why), ())

    def write(conn: sa.Connection) -> None:
        if record_review(conn, asking.session.lease, new):
            record_decision(conn, asking.session.lease, asking.key, "review", _told(new))

    asking.session.transact(write)


def _review(asking: _Asking, found: Judgement, notes: Sequence[str]) -> NewReview:
    return NewReview(
        phase_id=asking.key.phase_id,
        attempt=asking.key.attempt,
        round=asking.round,
        commit=asking.commit,
        reviewer=asking.reviewer.name,
        model=asking.reviewer.model,
        simulated=asking.reviewer.simulated,
        verdict=found.verdict.value,
        why=found.why,
        findings=[asdict(one) for one in found.findings],
        dropped=[asdict(one) for one in found.dropped],
        notes=list(notes),
    )


def _told(new: NewReview) -> str:
    """Return a review as a decision says it."""
    words = f"{new.reviewer}, review {new.round}: {new.verdict}"
    if new.verdict == Verdict.REJECT:
        words += f", {len(new.findings)} findings"
    if new.why:
        words += f": {new.why}"
    if new.dropped:
        words += f" ({len(new.dropped)} dropped: {new.dropped[0]['why']})"
    return "; ".join((words, *new.notes))
