"""A reviewer in a run: what it is told, what comes of it, and that it is paid for once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.projects import Project, call, make_project, write_yaml
from support.reviews import carried_on

from autopack.clock import SystemClock
from autopack.ledger.check import check
from autopack.ledger.events.usage_events import token_totals
from autopack.model.states import AttemptState, PhaseState
from autopack.repair.decide import DecisionKind
from autopack.repair.review import Reply
from autopack.runs import attempt as steps
from autopack.runs.approval import approve, question_before
from autopack.runs.repair import ask_reviewer
from autopack.runs.session.opening import close_session
from autopack.runs.session.session import RunSession
from autopack.store.approvals import Answer
from autopack.store.reviews import get_reviews
from autopack.store.runs import get_attempts, get_phases
from autopack.testing.scripted_reviewer import ScriptReviewer

BAD, GOOD = "the sum is a minus b", "the sum is a plus b"
APPROVES: dict[str, Any] = {"verdict": "approve", "summary": "It adds."} | call(40)
REJECTS: dict[str, Any] = {
    "verdict": "reject",
    "summary": "It subtracts.",
    "findings": [{"path": "word", "quote": f"+{BAD}", "problem": "it has to add"}],
} | call(40)
INVENTS = REJECTS | {"findings": [{"path": "word", "quote": "+no such line", "problem": "bad"}]}
SILENT: dict[str, Any] = {"text": ""} | call(40)
UNPARSEABLE: dict[str, Any] = {"text": "I like it."} | call(40)

Open = Callable[[str], RunSession]
Store = Callable[..., str]


def reviewed(
    folder: Path, words: list[str], answers: list[dict[str, Any]], **policy: Any
) -> Project:
    """A project whose phase writes ``words``, one a build, and is reviewed with ``answers``."""
    project = make_project(
        folder / "project",
        {"one": [[{"files": {"word": f"{word}\n"}}, call(100)] for word in words]},
        plan={"policy": {"review": "script"} | policy},
    )
    write_yaml(project.recording / "one.review.yaml", {"answers": answers})
    return project


def verdicts(session: RunSession) -> list[str]:
    return [one.verdict for one in get_reviews(session.db, "r")]


def spent(session: RunSession) -> tuple[int, int, int]:
    totals = token_totals(session.db, "r")
    by_category, by_role = totals.by_category, totals.by_role
    assert by_category["second_opinion"] == by_role["reviewer"]
    return totals.total, by_role["reviewer"], totals.unreconciled_calls


# the builds, the reviews, their verdicts; the attempts, and how it ends where a person is required
TABLE: list[tuple[list[str], list[dict[str, Any]], list[str], int, bool]] = [
    ([GOOD], [APPROVES], ["approve"], 1, False),
    ([BAD, GOOD], [REJECTS, APPROVES], ["reject", "approve"], 2, False),
    ([GOOD], [UNPARSEABLE], ["inconclusive"], 1, True),
    ([GOOD], [SILENT], ["inconclusive"], 1, True),
    ([GOOD], [INVENTS], ["inconclusive"], 1, True),
    # there is no answer at all
    ([GOOD], [], ["inconclusive"], 1, True),
    ([BAD, GOOD], [REJECTS, SILENT], ["reject", "inconclusive"], 2, True),
    # two rounds, and no third
    ([BAD, BAD, GOOD], [REJECTS, REJECTS, APPROVES], ["reject", "reject"], 3, True),
]


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize(("builds", "answers", "found", "attempts", "asks"), TABLE)
async def test_reviews_of_a_phase(
    tmp_path: Path,
    store: Store,
    open_run: Open,
    builds: list[str],
    answers: list[dict[str, Any]],
    found: list[str],
    attempts: int,
    asks: bool,
    required: bool,
) -> None:
    session = open_run(store(reviewed(tmp_path, builds, answers, review_required=required)))
    decision = await carried_on(session)
    waits = asks and required
    assert decision.kind is (DecisionKind.WAIT if waits else DecisionKind.COMPLETE), decision
    assert verdicts(session) == found
    made = get_attempts(session.db, "r")
    assert len(made) == attempts
    assert [one.failure_cause for one in made[:-1]] == ["review_rejected"] * (attempts - 1)
    assert all(one.counts for one in made)
    assert made[-1].state is (AttemptState.BUILT if waits else AttemptState.PASSED)
    reviews = 40 * min(len(found), len(answers))
    assert spent(session) == (100 * attempts + reviews, reviews, 0)
    if not waits:
        return
    # Accepted by a person, it completes with that very work, and nobody is paid again.
    question = question_before(session, session.phase("one"))
    assert question is not None
    answer = Answer(approved=True, by="ann")
    approve("r", answer, db=session.db, settings=session.settings, clock=SystemClock())
    session.forget()
    done = await carried_on(session)
    assert done.kind is DecisionKind.COMPLETE
    assert "accepted by ann" in done.reason
    assert len(get_attempts(session.db, "r")) == attempts
    assert [one.state for one in get_phases(session.db, "r")] == [PhaseState.COMPLETE]
    assert spent(session)[0] == 100 * attempts + reviews
    assert check(session.db) == []


async def test_findings_are_the_next_hint_and_are_judged_by_what_it_changed(
    tmp_path: Path, store: Store, open_run: Open
) -> None:
    two = REJECTS["findings"] + [
        {"path": "README.md", "quote": "-hello", "problem": "it was polite"},
        {"path": "word", "quote": "+no such line", "problem": "bad"},
    ]
    project = reviewed(tmp_path, [BAD, GOOD], [REJECTS | {"findings": two}, APPROVES])
    builds = [[{"files": {"word": f"{one}\n", "README.md": "hi\n"}}] for one in (BAD, GOOD)]
    write_yaml(project.recording / "one.yaml", {"builds": [{"steps": one} for one in builds]})
    session = open_run(store(project))
    await carried_on(session)
    first, second = get_attempts(session.db, "r")
    assert first.failure_message == ("the reviewer rejects the change: it has to add (and 1 more)")
    assert f"+{BAD}\nit has to add" in (second.hint or "")
    assert "validation.log" not in (second.hint or "")
    [rejected, _] = get_reviews(session.db, "r")
    assert [one["changed"] for one in rejected.findings] == [True, False]
    assert [one["why"] for one in rejected.dropped] == ["the quotation is not in the change"]


async def test_the_reviewer_is_told_nothing_that_the_builder_said(
    tmp_path: Path, store: Store, open_run: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "sk-ant-canary-0123456789abcdef"
    asked: list[str] = []
    real = ScriptReviewer.ask

    async def ask(self: ScriptReviewer, question: Any) -> Reply:
        asked.append(question.text)
        return await real(self, question)

    monkeypatch.setattr(ScriptReviewer, "ask", ask)
    project = reviewed(tmp_path, [GOOD], [APPROVES])
    steps_ = [{"output": "I am sure of it"}, {"files": {"word": f"{GOOD}\n"}}]
    write_yaml(project.recording / "one.yaml", {"builds": [{"steps": steps_}]})
    plan = project.plan.read_text().replace("do one", f"write the word, and not {secret}")
    project.plan.write_text(plan.replace("'true'", "echo the checks ran"))
    run_id = store(project)
    # Known only now: a plan that holds what is known before is refused.
    monkeypatch.setenv("SOME_API_KEY", secret)
    await carried_on(open_run(run_id))
    [text] = asked
    for words in (
        "A goal",
        "write the word",
        f"+{GOOD}",
        "echo the checks ran",
        "the checks ran\n",
    ):
        assert words in text
    assert "I am sure of it" not in text
    assert secret not in text


async def test_what_is_longer_than_is_shown_is_not_approved(
    tmp_path: Path, store: Store, open_run: Open
) -> None:
    session = open_run(store(reviewed(tmp_path, ["a line\n" * 20_000], [APPROVES])))
    await carried_on(session)
    [review] = get_reviews(session.db, "r")
    assert (review.verdict, "longer than" in review.why) == ("inconclusive", True)


async def test_a_cap_without_room_leaves_the_review_out(
    tmp_path: Path, store: Store, open_run: Open
) -> None:
    project = reviewed(tmp_path, [GOOD], [APPROVES | call(4_000)], review_required=True)
    session = open_run(store(project, token_cap=2_000))
    decision = await carried_on(session)
    assert decision.kind is DecisionKind.WAIT
    assert "no budget has room" in decision.reason
    assert spent(session) == (100, 0, 0)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", ["noted", "counted"])
async def test_a_reply_is_paid_for_once_whenever_its_process_is_killed(
    tmp_path: Path, store: Store, open_run: Open, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    asked: list[str] = []
    real = ScriptReviewer.ask

    async def ask(self: ScriptReviewer, question: Any) -> Reply:
        asked.append(question.phase_id)
        return await real(self, question)

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    monkeypatch.setattr(ScriptReviewer, "ask", ask)
    run_id = store(reviewed(tmp_path, [BAD, GOOD], [REJECTS, APPROVES]))
    session = open_run(run_id)
    with monkeypatch.context() as patched:
        if moment == "noted":
            patched.setattr(ask_reviewer, "_count", killed)
        else:
            patched.setattr(steps, "conclude", killed)
        with pytest.raises(Killed):
            await carried_on(session)
    assert len(asked) == 1
    close_session(session)
    again = open_run(run_id)
    assert (await carried_on(again)).kind is DecisionKind.COMPLETE
    assert len(asked) == 2
    assert verdicts(again) == ["reject", "approve"]
    assert spent(again) == (280, 80, 0)
    assert check(again.db) == []


async def test_a_reviewer_that_does_not_answer_holds_nothing(
    tmp_path: Path, store: Store, open_run: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(ScriptReviewer, "ask", never)
    monkeypatch.setattr(ScriptReviewer, "seconds", 0.05)
    session = open_run(store(reviewed(tmp_path, [GOOD], [APPROVES])))
    assert (await carried_on(session)).kind is DecisionKind.COMPLETE
    [review] = get_reviews(session.db, "r")
    assert review.why == "no answer after 0 s"
    assert spent(session) == (100, 0, 1)
    assert session.levels(session.db, session.phase("one"))[0].reserved.tokens == 0
