"""Research phases: three steps, nothing taken on a model's word, everything paid once."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.projects import refs_in, write_yaml
from support.research import (
    CLARIFIED,
    INVENTED,
    NOTHING_MORE,
    QUESTION,
    make_words,
    model_script,
    record_answers,
    rule,
    written,
)

from autopack.ledger.events.usage_events import token_totals
from autopack.research.report_schema import json_schema
from autopack.runs.research.stored_reports import stored_report
from autopack.store.approvals import Answer, answer
from autopack.store.database.engine import Database
from autopack.store.runs import get_attempts
from autopack.testing.model_server.model_script import Mode
from autopack.testing.model_server.server import ScriptedModelServer
from autopack.views.run_view import run_view, tokens_view

pytestmark = pytest.mark.slow

SOURCES = ["repository", "history"]


@pytest.fixture
def engine_name() -> str:
    """SQLite alone: what differs between the engines is tested with the store."""
    return "sqlite"


@pytest.fixture
def db(home: Path) -> Iterator[Database]:
    opened = Database.open(os.environ["DATABASE_URL"])
    yield opened
    opened.close()


def make_plan(folder: Path, *more: dict[str, Any], **research: Any) -> Path:
    asked = {"questions": [QUESTION], "sources": SOURCES} | research
    phases = [{"id": "look", "research": asked}, *more]
    return write_yaml(folder / "plan.yaml", {"goal": "Words", "setup": [], "phases": phases})


async def run(plan: Path, repository: Path, recording: Path | None, **more: Any) -> dict[str, Any]:
    from flows import execute_run

    options = "" if recording is None else f"recording={recording}"
    asked: dict[str, Any] = {"run_id": "r", "builder_options": options} | more
    return await execute_run(plan=str(plan), repo=str(repository), **asked)


def asks(server: ScriptedModelServer) -> dict[str, Any]:
    """Have the model behind the server answer."""
    options = f"base_url={server.openai_url}"
    return {"builder": "api", "model": "m", "builder_options": options}


async def test_without_a_model_lines_are_quoted_and_that_is_said(db: Database, tmp_path: Path):
    from flows import research

    repository = make_words(tmp_path / "words")
    before = refs_in(repository)
    report = await research(questions=[QUESTION], repo=str(repository), sources=SOURCES)
    assert (report["state"], report["mode"]) == ("DONE_SUCCESS", "model-free")
    jsonschema.validate(report, json.loads(json_schema()))
    assert "No model was asked" in report["notes"][0]
    assert {one["source_id"] for one in report["evidence"]} == set(SOURCES)
    assert {one["kind"] for one in report["evidence"]} == {"quoted"}
    assert report["spent"]["total"] == 0
    [shown] = run_view(db, report["run_id"])["phases"]
    assert shown["report_id"] == report["report_id"]
    # The head is unchanged, so that no branch is made.
    assert refs_in(repository) == before

    again = await research(questions=[QUESTION], repo=str(repository), sources=SOURCES)
    assert again["findings"][0]["known_from"] == report["report_id"]
    assert again["evidence"] == report["evidence"]


async def test_what_is_rejected_goes_back_once_and_builders_are_told_the_rest(
    db: Database, tmp_path: Path
):
    repository = make_words(tmp_path / "words")
    unverified = {"question": 1, "claim": "Latin has it too.", "kind": "unverified"}
    follows = {"question": 1, "claim": "It is a rule.", "kind": "derived", "follows_from": [1]}
    first = written(rule(), INVENTED)
    second = written(rule(), follows, unverified, INVENTED, contradictions=[])
    recording = record_answers(
        tmp_path / "recording",
        ("clarify", CLARIFIED),
        ("gather", NOTHING_MORE),
        ("write", first),
        ("write", second),
    )
    told = tmp_path / "told.txt"
    build = {
        "id": "build",
        "instructions": "Make it so.",
        "validate": ["true"],
        "depends_on": ["look"],
        "context": ["research:look"],
        "builder": "command",
    }
    plan = make_plan(tmp_path, build)
    done = await run(
        plan,
        repository,
        None,
        builder_options=f"recording={recording}\ncommand.template=cp {{prompt_file}} {told}\n"
        "command.usage=neutral",
    )
    assert done["phases"][0]["state"] == "COMPLETE", done
    report = stored_report(db, "r", "look")
    jsonschema.validate(report, json.loads(json_schema()))
    kinds = [one["kind"] for one in report["evidence"]]
    assert kinds == ["quoted", "derived", "unverified"]
    assert report["unverified"] == 1
    assert [one["claim"] for one in report["rejected"]] == [INVENTED["claim"]]
    # Four calls: the rejected claim went back once.
    assert report["spent"]["by_category"] == {
        "base": 200,
        "retrieval": 100,
        "second_opinion": 0,
        "evidence_request": 100,
    }
    prompt = told.read_text()
    assert "The rest by a hundred decides." in prompt
    assert report["evidence"][0]["locator"] in prompt
    assert done["phases"][0]["commit"] == done["base_commit"]
    assert get_attempts(db, "r", "look") == []


@pytest.mark.parametrize("note", ["English alone", None])
async def test_a_person_is_asked_what_no_source_can_answer(
    db: Database, tmp_path: Path, note: str | None
):
    repository = make_words(tmp_path / "words")
    asks = {"questions": [{"question": 1, "ask": ["Which languages matter?"]}]}
    recording = record_answers(
        tmp_path / "recording",
        ("clarify", asks),
        ("gather", NOTHING_MORE),
        ("write", written(rule())),
    )
    plan = make_plan(tmp_path)
    waiting = await run(plan, repository, recording)
    assert waiting["state"] == "AWAITING_APPROVAL"
    assert "Which languages matter?" in waiting["failure_reason"]
    answer(db, "r", Answer(approved=True, by="somebody", note=note))

    from flows import execute_run

    done = await execute_run(run_id="r")
    assert done["state"] == "DONE_SUCCESS", done
    report = stored_report(db, "r")
    (request,) = report["evidence_requests"]
    assert (request["answer"], request["state"]) == (note, "answered" if note else "open")
    assert bool(report["missing"]) == (note is None)
    # What was answered before the run waited was not asked again.
    assert token_totals(db, "r").total == 300


async def test_tokens_are_bounded_and_what_was_found_is_quoted_all_the_same(
    db: Database, tmp_path: Path
):
    repository = make_words(tmp_path / "words")
    recording = record_answers(
        tmp_path / "recording",
        ("clarify", CLARIFIED),
        ("gather", {"queries": ["hundred"]}),
        ("gather", NOTHING_MORE),
        ("write", written(rule())),
    )
    done = await run(make_plan(tmp_path, tokens=250), repository, recording)
    assert done["state"] == "DONE_SUCCESS", done
    assert token_totals(db, "r").total == 200
    report = stored_report(db, "r")
    assert any("250 tokens" in note for note in report["notes"]), report["notes"]
    assert report["findings"][0]["answered"]


async def test_bounds_hold_and_what_is_left_is_said(db: Database, tmp_path: Path):
    repository = make_words(tmp_path / "words")
    greedy = [("gather", {"queries": [f"ordinal {n}", f"suffix {n}"]}) for n in range(9)]
    recording = record_answers(
        tmp_path / "recording", ("clarify", CLARIFIED), *greedy, ("write", written(rule()))
    )
    done = await run(make_plan(tmp_path, max_calls=4), repository, recording)
    assert done["state"] == "DONE_SUCCESS", done
    report = stored_report(db, "r")
    assert report["spent"]["calls"] <= 4
    assert len(report["searches"]) <= 4
    assert any("max_calls" in note for note in report["notes"]), report
    assert report["findings"][0]["answered"], report


async def test_the_four_categories_sum_to_what_the_model_server_counted(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    repository = make_words(tmp_path / "words")
    advice = {"action": "retry_with_fix", "confidence": 0.9, "rationale": "so", "hint": "write it"}
    script = model_script(
        CLARIFIED, {"queries": ["hundred"]}, NOTHING_MORE, written(rule()), advice
    )
    recording = tmp_path / "recording"
    recording.mkdir()
    bad, good = {"files": {"word": "bad\n"}}, {"files": {"word": "good\n"}}
    builds = [{"steps": [one]} for one in (bad, bad, good)]
    write_yaml(recording / "build.yaml", {"builds": builds})
    build = {
        "id": "build",
        "instructions": "Write the word.",
        "validate": ["grep -q good word"],
        "builder": "script",
        "context": ["research:look"],
    }
    plan = make_plan(tmp_path, build)
    with ScriptedModelServer(script) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary-0123456789abcdef")
        text = plan.read_text() + (
            "policy: {doctor: api}\nmodels: {doctor_cheap: claude-haiku-4-5}\n"
        )
        plan.write_text(text)
        done = await run(
            plan,
            repository,
            None,
            builder="api",
            model="claude-haiku-4-5",
            builder_options=f"base_url={server.url}\nprovider=anthropic\n"
            f"script.recording={recording}",
        )
        assert done["state"] == "DONE_SUCCESS", done
        counted = server.totals()
    assert stored_report(db, "r")["findings"][0]["answered"]
    spent = tokens_view(db, "r")["spent"]
    assert all(spent["by_category"].values()), spent
    assert sum(spent["by_category"].values()) == spent["total"] == counted.total
    assert sum(spent["by_role"].values()) == spent["total"]
    assert tokens_view(db, "r")["events"] == counted.calls


async def test_an_answer_that_cannot_be_read_is_paid_for_and_asked_for_once_more(
    db: Database, tmp_path: Path
):
    repository = make_words(tmp_path / "words")
    recording = record_answers(
        tmp_path / "recording",
        ("clarify", CLARIFIED),
        ("gather", NOTHING_MORE),
        ("write", {"claim": []}),
        ("write", written(rule())),
    )
    done = await run(make_plan(tmp_path), repository, recording)
    assert done["state"] == "DONE_SUCCESS", done
    report = stored_report(db, "r")
    assert any("could not be read" in one for one in report["notes"]), report["notes"]
    assert report["findings"][0]["answered"]
    assert token_totals(db, "r").total == 400


async def test_a_provider_in_trouble_is_waited_for(db: Database, tmp_path: Path):
    repository = make_words(tmp_path / "words")
    script = model_script(CLARIFIED, NOTHING_MORE, written(rule()))
    with ScriptedModelServer(script, mode="500") as server:

        async def recover() -> None:
            # The client itself asks three times before it gives up.
            while len(server.served) < 3:  # noqa: ASYNC110 - another thread's
                await asyncio.sleep(0.02)
            server.mode = Mode.OK

        recovering = asyncio.create_task(recover())
        done = await run(make_plan(tmp_path), repository, None, **asks(server))
        await recovering
        counted = server.totals()
    assert done["state"] == "DONE_SUCCESS", done
    assert token_totals(db, "r").total == counted.total
    assert stored_report(db, "r")["findings"][0]["answered"]


async def test_a_provider_that_refuses_ends_the_run(db: Database, tmp_path: Path):
    repository = make_words(tmp_path / "words")
    with ScriptedModelServer(model_script(CLARIFIED), mode="401") as server:
        done = await run(make_plan(tmp_path), repository, None, **asks(server))
    assert done["state"] == "DONE_FAILED_ENVIRONMENT", done
    assert done["phases"][0]["failure"]["cause"] == "provider_refused"
    assert stored_report(db, "r")["findings"] == []
