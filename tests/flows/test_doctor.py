"""What a doctor orders really happens, and only as often as the rules allow."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.projects import Project, call, git, make_project, write_yaml

from autopack.ledger.events.usage_events import token_totals
from autopack.repair.doctor import DoctorFailed, Opinion
from autopack.store.database.engine import Database
from autopack.store.mitigations import get_consultations
from autopack.store.runs import get_attempts
from autopack.testing.model_server.model_script import Script
from autopack.testing.model_server.server import ScriptedModelServer
from autopack.testing.scripted_doctor import ScriptDoctor

CHECK = "grep -q good word"
BAD, GOOD = {"files": {"word": "bad\n"}}, {"files": {"word": "good\n"}}


pytestmark = pytest.mark.slow


@pytest.fixture
def engine_name() -> str:
    """SQLite alone: what differs between the engines is tested with the store."""
    return "sqlite"


def answer(action: str, confidence: float = 0.9, **more: Any) -> dict[str, Any]:
    cost = call(100)["call"]
    return {
        "action": action, "confidence": confidence, "rationale": "so it seems", "call": cost
    } | more  # fmt: skip


Consulted = Callable[..., Project]


@pytest.fixture(params=["script", "api"])
def consulted(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Consulted]:
    """Gives a phase its doctor's answers: from a recording, or from a model behind an API."""
    with contextlib.ExitStack() as servers:

        def recorded(project: Project, phase_id: str, *answers: dict[str, Any]) -> Project:
            path = project.recording / f"{phase_id}.doctor.yaml"
            write_yaml(path, {"answers": list(answers)})
            return project

        def served(project: Project, phase_id: str, *answers: dict[str, Any]) -> Project:
            plan = yaml.safe_load(project.plan.read_text())
            plan["policy"]["doctor"] = "api"
            plan["models"] = MODELS
            write_yaml(project.plan, plan)
            server = servers.enter_context(ScriptedModelServer(script_of(*answers)))
            monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
            monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary-0123456789abcdef")
            return project

        yield recorded if request.param == "script" else served


whoever_answers = pytest.mark.parametrize("consulted", ["script"], indirect=True)
"""Marks what comes of an answer: the same, wherever that is from."""

MODELS = {"doctor_cheap": "claude-haiku-4-5", "doctor_strong": "claude-opus-4-5"}


def script_of(*answers: dict[str, Any]) -> Script:
    """A model that gives ``answers``, one a conversation, at 100 tokens each."""
    conversations = [
        {
            "times": 1,
            "turns": [
                {
                    "tools": [{"name": "final_result", "arguments": arguments}],
                    "usage": {"input": 50, "cache_read": 10, "output": 40},
                }
            ],
        }
        for arguments in ({k: v for k, v in one.items() if k != "call"} for one in answers)
    ]
    return Script.model_validate({"conversations": conversations})


async def run(project: Project, run_id: str = "r") -> dict[str, Any]:
    from flows import execute_run

    return await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        run_id=run_id,
    )


def failing(folder: Path, *builds: dict[str, Any], attempts: int = 3, **policy: Any) -> Project:
    return make_project(
        folder,
        {"one": [[build] for build in builds]},
        plan={"policy": {"doctor": "script", **policy}},
        phase={"validate": [CHECK], "budget": {"attempts": attempts}},
    )


@pytest.fixture
def db(home: Path):
    opened = Database.open(os.environ["DATABASE_URL"])
    yield opened
    opened.close()


def kinds(phase: dict[str, Any]) -> list[str]:
    return [decision["kind"] for decision in phase["decisions"]]


async def test_a_hint_reaches_the_next_build(
    db: Database, tmp_path: Path, consulted: Consulted
) -> None:
    project = failing(tmp_path, BAD, BAD, GOOD)
    consulted(project, "one", answer("retry_with_fix", hint="write the word good"))
    done = await run(project)
    assert done["state"] == "DONE_SUCCESS", done
    # Two builds come before a doctor.
    assert kinds(done["phases"][0]) == ["retry", "doctor", "retry", "complete"]
    assert "write the word good" in (get_attempts(db, "r")[2].hint or "")
    totals = token_totals(db, "r")
    assert totals.by_category["second_opinion"] == 100
    assert totals.by_role["doctor"] == 100
    assert totals.unreconciled_calls == 0
    (row,) = get_consultations(db, "r")
    assert (row.tier, row.action) == ("cheap", "retry_with_fix")


async def test_an_unsure_cheap_doctor_is_followed_by_the_strong_one(
    db: Database, tmp_path: Path, consulted: Consulted
) -> None:
    project = failing(tmp_path, BAD, BAD, GOOD)
    unsure = answer("mark_fatal", 0.5)
    consulted(project, "one", unsure, answer("retry_with_fix", hint="good"))
    done = await run(project)
    assert done["state"] == "DONE_SUCCESS", done
    assert [row.tier for row in get_consultations(db, "r")] == ["cheap", "strong"]
    assert token_totals(db, "r").by_role["doctor"] == 200


async def test_a_phase_is_replanned_once_and_begins_anew(
    db: Database, tmp_path: Path, consulted: Consulted
) -> None:
    project = failing(tmp_path, BAD, BAD, BAD, GOOD, attempts=2)
    consulted(
        project,
        "one",
        answer("replan", hint="Write good into word."),
        answer("replan", hint="Write it again."),
    )
    done = await run(project)
    assert done["state"] == "DONE_SUCCESS", done
    assert kinds(done["phases"][0]).count("replan") == 1
    assert [attempt.revision for attempt in get_attempts(db, "r")] == [0, 0, 1, 1]
    # The old text is still in the plan, the new one in the commit that it led to.
    message = git(project.repository, "log", "-1", "--format=%B", "autopack/r")
    assert "Write good into word." in message


@whoever_answers
@pytest.mark.parametrize(
    ("on_skip", "states"),
    [
        ("block", ["SKIPPED", "SKIPPED", "COMPLETE"]),
        ("release", ["SKIPPED", "COMPLETE", "COMPLETE"]),
    ],
)
async def test_a_skipped_phase_blocks_or_releases_what_depends_on_it(
    db: Database, tmp_path: Path, on_skip: str, states: list[str], consulted: Consulted
) -> None:
    other = [{"files": {"other": "1\n"}}]
    project = make_project(
        tmp_path,
        {"one": [[BAD], [BAD]], "two": [other], "three": [other]},
        plan={"policy": {"doctor": "script", "on_skip": on_skip}},
    )
    text = project.plan.read_text()
    text = text.replace("do one\n  validate:\n  - 'true'", f"do one\n  validate: ['{CHECK}']")
    text = text.replace("- id: two\n", "- id: two\n  depends_on: [one]\n")
    project.plan.write_text(text)
    consulted(project, "one", answer("skip_phase"))
    done = await run(project)
    assert [phase["state"] for phase in done["phases"]] == states, done
    assert done["state"] == "DONE_FAILED_REQUIRES_HUMAN_REVIEW"
    assert done["failure_reason"].startswith("skipped: one")


@whoever_answers
async def test_a_fatal_phase_ends_the_run(
    db: Database, tmp_path: Path, consulted: Consulted
) -> None:
    project = failing(tmp_path, BAD, BAD, GOOD)
    consulted(project, "one", answer("mark_fatal"))
    done = await run(project)
    assert done["state"] == "DONE_FAILED_REQUIRES_HUMAN_REVIEW"
    assert "so it seems" in done["failure_reason"]
    assert done["phases"][0]["attempts"] == 2


@whoever_answers
async def test_a_rollback_goes_back_to_a_commit_and_does_the_rest_again(
    db: Database, tmp_path: Path, consulted: Consulted
) -> None:
    """Phase two cannot succeed on what phase one made at first."""
    project = make_project(
        tmp_path,
        {
            "zero": [[{"files": {"zero": str(n)}}] for n in range(2)],
            "one": [[BAD], [GOOD]],
            "two": [[{"files": {"two": str(n)}}] for n in range(3)],
        },
        plan={"policy": {"doctor": "script"}},
    )
    head, _, tail = project.plan.read_text().rpartition("- 'true'")
    project.plan.write_text(f"{head}- {CHECK}{tail}")
    base = git(project.repository, "rev-parse", "HEAD").strip()
    consulted(project, "two", answer("rollback_run", commit=base[:12]))

    done = await run(project)

    assert done["state"] == "DONE_SUCCESS", done
    assert [phase["attempts"] for phase in done["phases"]] == [2, 2, 3]
    assert {phase["state"] for phase in done["phases"]} == {"COMPLETE"}
    first = get_attempts(db, "r", "one")[0]
    assert first.revision == 0
    mirror = next((Path(os.environ["AUTOPACK_HOME"]) / "repositories").glob("*.git"))
    assert git(mirror, "rev-parse", "refs/autopack/r/one/1").strip() == first.commit


@whoever_answers
@pytest.mark.parametrize(
    ("allowed", "state", "words"),
    [
        ([["sh", "-c", "echo good > word"]], "DONE_SUCCESS", "that fixed it"),
        # off by default
        ([], "DONE_FAILED_REQUIRES_HUMAN_REVIEW", "refused"),
        # only exactly what is listed
        ([["sh", "-c", "echo good"]], "DONE_FAILED_REQUIRES_HUMAN_REVIEW", "refused"),
    ],
)
async def test_a_fix_runs_only_what_the_plan_allows(
    db: Database,
    tmp_path: Path,
    allowed: list[list[str]],
    state: str,
    words: str,
    consulted: Consulted,
) -> None:
    project = failing(tmp_path, BAD, BAD, attempts=2, execute_fix=allowed)
    consulted(project, "one", answer("execute_fix", commands=[["sh", "-c", "echo good > word"]]))
    done = await run(project)
    assert done["state"] == state, done
    assert any(words in d["reason"] for d in done["phases"][0]["decisions"])
    if state == "DONE_SUCCESS":
        assert git(project.repository, "show", "autopack/r:word") == "good\n"


async def test_a_doctor_is_asked_twice_a_phase_at_most(
    db: Database, tmp_path: Path, consulted: Consulted
) -> None:
    project = failing(tmp_path, *[BAD] * 5, attempts=5)
    consulted(project, "one", *[answer("retry_with_fix", hint="again")] * 5)
    done = await run(project)
    assert done["phases"][0]["attempts"] == 5
    assert len(get_consultations(db, "r")) == 2


@whoever_answers
async def test_ten_calls_a_run_at_most(db: Database, tmp_path: Path, consulted: Consulted) -> None:
    names = [f"p{n}" for n in range(6)]
    project = make_project(
        tmp_path,
        {name: [[BAD], [BAD], [BAD], [GOOD]] for name in names},
        plan={"policy": {"doctor": "script"}},
        phase={"validate": [["sh", "-c", f"{CHECK} && rm word"]]},
    )
    for name in names:
        consulted(project, name, *[answer("retry_with_fix", hint="again")] * 15)
    await run(project)
    assert len(get_consultations(db, "r")) == 10


async def test_a_doctor_that_does_not_answer_changes_nothing(db: Database, tmp_path: Path) -> None:
    done = await run(failing(tmp_path, BAD, BAD, GOOD))
    assert done["state"] == "DONE_SUCCESS"
    assert any("no answer" in d["reason"] for d in done["phases"][0]["decisions"])


async def test_a_secret_never_reaches_the_doctor(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "sk-ant-canary-0123456789abcdef"
    asked: list[str] = []

    async def ask(self: Any, question: str, **_: Any) -> Opinion:
        asked.append(question)
        raise DoctorFailed("says nothing")

    monkeypatch.setattr(ScriptDoctor, "ask", ask)
    monkeypatch.setenv("SOME_API_KEY", secret)
    project = make_project(
        tmp_path,
        # A file that holds the key is no part of any commit; two that hold half of it each are.
        {"one": [[BAD], [{"files": {"a": secret[:14], "b": secret[14:]}}], [GOOD]]},
        plan={"policy": {"doctor": "script"}},
        phase={"validate": [["sh", "-c", f"cat a b; {CHECK}"]]},
    )
    done = await run(project)
    assert done["state"] == "DONE_SUCCESS"
    (question,) = asked
    assert "grep -q good word" in question
    assert "[secret]" in question
    assert secret not in question
