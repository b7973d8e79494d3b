"""The three steps of a research phase: clarify, gather, write; each bounded, none trusted."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from autopack.model.states import PhaseState
from autopack.repair.decide import Decision, DecisionKind
from autopack.research.evidence import sha256_of
from autopack.research.quoted_answers import quoted_answers
from autopack.research.research_prompts import clarify_prompt, gather_prompt, write_prompt
from autopack.research.research_report import Finding, PersonsAnswer
from autopack.research.researcher import AskedFor, Clarified, Searches, Written
from autopack.research.reviewing import Review, review
from autopack.runs.attempt.decisions import record
from autopack.runs.research.desk import Desk
from autopack.runs.research.opening_sources import open_desk
from autopack.runs.session.session import RunSession
from autopack.store import approvals
from autopack.store.approvals import Approval, get_approvals
from autopack.store.research_records import get_finding
from autopack.store.runs import move_phase

_PASSAGES = 6
"""How many passages a search brings."""


async def clarify(session: RunSession, phase_id: str) -> Desk | Decision:
    """Look once at every source, take what is known from the store, and find out what is meant.

    A decision to wait means that a person is asked first, of what no source can answer.
    """
    phase = session.phase(phase_id)
    if session.snapshot(phase_id).phase(phase_id).state is PhaseState.QUEUED:
        session.transact(
            lambda conn: move_phase(conn, session.lease, phase_id, PhaseState.EXECUTING)
        )
    desk = await asyncio.to_thread(open_desk, session, phase)
    for number, question in enumerate(desk.spec.questions, start=1):
        await _search(desk, question)
        desk.keys[number] = _key(desk, question)
        _recall(desk, number)
    if desk.researcher is None or not desk.questions or not desk.has_call_to_spare():
        return desk
    prompt = functools.partial(clarify_prompt, desk.questions, desk.gathered)
    answer = await desk.ask(AskedFor.CLARIFY, prompt)
    if isinstance(answer, Clarified):
        desk.clarified = answer
    return _ask_person(desk) or desk


async def gather(desk: Desk) -> Desk:
    """Search for what clarifying showed, then for what the model names, until it has enough."""
    open_ = {number for number, _ in desk.questions}
    for one in desk.clarified.questions:
        for query in one.queries if one.question in open_ else ():
            await _search(desk, query)
    while desk.researcher is not None and desk.questions and desk.has_call_to_spare():
        if not desk.gathered.has_room:
            desk.note(f"all {desk.spec.max_calls} searches were made (max_calls)")
            break
        prompt = functools.partial(gather_prompt, desk.questions, desk.clarified, desk.gathered)
        answer = await desk.ask(AskedFor.GATHER, prompt)
        made = len(desk.gathered.searches)
        for query in answer.queries if isinstance(answer, Searches) else ():
            await _search(desk, query)
        if len(desk.gathered.searches) == made:
            break
    return desk


async def write(desk: Desk) -> tuple[list[Finding], Review]:
    """Return the findings whose every piece of evidence holds, and what was reviewed last.

    What does not hold goes back once, with the reason.
    """
    if not desk.questions:
        return _findings(desk, Written(), Review()), Review()
    count = len(desk.spec.questions)
    written = await _written(desk, ()) or quoted_answers(desk.questions, desk.gathered)
    found = review(written, desk.gathered, questions=count)
    if found.rejected and desk.researcher is not None:
        again = await _written(desk, [one.sentence for one in found.rejected])
        second = None if again is None else review(again, desk.gathered, questions=count)
        if again is not None and second and len(second.accepted) >= len(found.accepted):
            written, found = again, second
    return _findings(desk, written, found), found


async def _written(desk: Desk, rejected: Sequence[str]) -> Written | None:
    """Return what the model claims; None where there is none, or it did not answer."""
    told = [f"{one.request}: {one.answer}" for one in desk.requests if one.answer]

    def prompt(most: int) -> str:
        return write_prompt(
            desk.questions,
            desk.clarified,
            desk.gathered,
            most,
            told=told,
            rejected=rejected,
        )

    answer = await desk.ask(AskedFor.WRITE, prompt, is_last=bool(rejected))
    if isinstance(answer, Written):
        return answer
    if desk.researcher is not None and not rejected:
        desk.note("the model wrote nothing: the lines that fit best are quoted instead")
    return None


async def _search(desk: Desk, text: str) -> None:
    searching = asyncio.to_thread(desk.gathered.search, text, most=_PASSAGES)
    await desk.session.switch.guard(searching)


def _key(desk: Desk, question: str) -> str:
    """Return under which hash the finding is kept: of the question, of who is asked, and of what
    the sources hold about it.
    """
    who = desk.researcher and [desk.researcher.name, desk.researcher.model]
    said = [_KEPT_AS, question, who, desk.session.run().repo, desk.gathered.digest(question)]
    return sha256_of(json.dumps(said))


def _recall(desk: Desk, number: int) -> None:
    """Take what an earlier report found out, where no source that it cites has changed."""
    row = get_finding(desk.session.db, desk.keys[number])
    if row is None:
        return
    found = Finding.from_json(number, row.finding, f"{row.run_id}.{row.phase_id}")
    for one in found.evidence:
        if one.locator is None or one.source_id is None:
            continue
        if desk.gathered.hash_of(one.source_id, one.locator) != one.source_sha256:
            return
    desk.known[number] = found


def _ask_person(desk: Desk) -> Decision | None:
    """Put what no source can answer to a person, once; a decision says that it is waited for."""
    asked = [
        (one.question, " ".join(text.split()))
        for one in desk.clarified.questions
        for text in one.ask
        if one.question not in desk.known and text.strip()
    ]
    if not asked:
        return None
    session, phase_id = desk.session, desk.phase.id
    listed = "; ".join(f"({number}) {text}" for number, (_, text) in enumerate(asked, start=1))
    question = f"research {phase_id} asks: {listed} (answer with --note, or leave it open without)"
    known = _approval(session, phase_id, question)
    if known is None and desk.spec.ask:
        decision = Decision(DecisionKind.WAIT, question)

        def write(conn: sa.Connection) -> None:
            move_phase(conn, session.lease, phase_id, PhaseState.QUEUED)
            approvals.ask(conn, session.lease, phase_id, question)
            record(conn, session, desk.key, decision)

        session.transact(write)
        return decision
    note = known.note if known is not None else None
    by = known.answered_by if known is not None and note else None
    desk.requests += [PersonsAnswer(number, text, note, by) for number, text in asked]
    return None


def _approval(session: RunSession, phase_id: str, question: str) -> Approval | None:
    asked = get_approvals(session.db, session.run_id)
    found = [one for one in asked if one.phase_id == phase_id and one.question == question]
    return found[-1] if found else None


def _findings(desk: Desk, written: Written, found: Review) -> list[Finding]:
    """Return one finding a question, in their order."""
    findings: list[Finding] = []
    for number, text in enumerate(desk.spec.questions, start=1):
        known = desk.known.get(number)
        missing = [one.what for one in written.missing if one.question == number]
        made = known or Finding.of(number, text, found, missing)
        if not made.own and not made.missing:
            made = replace(made, missing=("no claim that holds was made",))
        findings.append(made)
    return findings


_KEPT_AS = 1
"""Raised when findings are kept in another way: earlier ones are then no longer found."""
