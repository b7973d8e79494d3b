"""A model behind an API and a builder as reviewers: asked once, counted, and unable to write."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.projects import Project, call, make_project
from support.reviews import carried_on

from autopack.ledger.events.usage_events import token_totals
from autopack.model.errors import BadInput
from autopack.repair.decide import DecisionKind
from autopack.runs.session.session import RunSession
from autopack.store.database.engine import Database
from autopack.store.reviews import get_reviews
from autopack.testing.model_server.model_script import Script
from autopack.testing.model_server.server import ScriptedModelServer

WORD = "the sum is a plus b"
APPROVES = json.dumps({"verdict": "approve", "summary": "It adds.", "findings": []})
Open = Callable[[str], RunSession]
Store = Callable[..., str]


def reviewed(folder: Path, by: str, **plan: Any) -> Project:
    return make_project(
        folder / "project",
        {"one": [[{"files": {"word": f"{WORD}\n"}}, call(100)]]},
        plan={"policy": {"review": by}} | plan,
    )


def of_reviewer(db: Database) -> tuple[int, int]:
    totals = token_totals(db, "r")
    return totals.by_role["reviewer"], totals.unreconciled_calls


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ({"text": APPROVES}, "approve"),
        ({"tools": [{"name": "final_result", "arguments": json.loads(APPROVES)}]}, "approve"),
        ({"tools": [{"name": "final_result", "arguments": {"verdict": "yes"}}]}, "inconclusive"),
        ({"text": "Fine by me."}, "inconclusive"),
        ({"text": ""}, "inconclusive"),
    ],
)
async def test_a_model_reviews(
    tmp_path: Path,
    store: Store,
    open_run: Open,
    monkeypatch: pytest.MonkeyPatch,
    said: dict[str, Any],
    verdict: str,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary-0123456789abcdef")
    turn = said | {"usage": {"input": 50, "cache_read": 10, "output": 40}}
    script = Script.model_validate({"conversations": [{"turns": [turn]}]})
    with ScriptedModelServer(script) as server:
        project = reviewed(tmp_path, "api", models={"reviewer": "claude-haiku-4-5"})
        options = {"recording": str(project.recording), "api.base_url": server.url}
        session = open_run(store(project, options=options))
        assert (await carried_on(session)).kind is DecisionKind.COMPLETE
    [review] = get_reviews(session.db, "r")
    assert (review.verdict, review.model, review.simulated) == (verdict, "claude-haiku-4-5", False)
    assert of_reviewer(session.db) == (100, 0)


REVIEWER = """
import pathlib, sys
prompt = sys.stdin.read()
assert "+the sum is a plus b" in prompt, prompt
assert pathlib.Path("word").read_text() == "the sum is a plus b\\n"
pathlib.Path("word").write_text("mine")
pathlib.Path("extra.txt").write_text("mine")
print(%r)
"""


async def test_a_builder_reviews_and_what_it_writes_is_discarded(
    tmp_path: Path, store: Store, open_run: Open
) -> None:
    program = tmp_path / "reviewer.py"
    program.write_text(REVIEWER % APPROVES)
    project = reviewed(tmp_path, "command")
    options = {
        "recording": str(project.recording),
        "command.template": f"{sys.executable} {program} {{prompt_file}}",
    }
    session = open_run(store(project, options=options))
    assert (await carried_on(session)).kind is DecisionKind.COMPLETE
    [review] = get_reviews(session.db, "r")
    assert (review.reviewer, review.verdict) == ("command", "approve"), review
    assert review.notes == ["it wrote to its checkout, which was discarded: extra.txt, word"]
    head = session.head()
    assert session.mirror.file_at(head, "word") == b"the sum is a plus b\n"
    assert not (session.folder / "review" / "review-1").exists()
    # Nothing is known of what it spent, and that is said.
    assert of_reviewer(session.db) == (0, 1)


@pytest.mark.parametrize(
    ("by", "options", "words"),
    [
        ("nobody", {}, "policy.review: there is no builder called 'nobody'"),
        ("api", {}, "policy.review: the api builder needs a model"),
        ("command", {}, "policy.review: builder command needs the option template"),
        ("codex", {"codex.executable": "/no/such"}, "policy.review: codex needs the program"),
        ("script", {"codex.model": "x"}, "no phase names the builder 'codex'"),
    ],
)
def test_a_reviewer_that_cannot_review_is_refused_before_anything_is_stored(
    tmp_path: Path, store: Store, by: str, options: dict[str, str], words: str
) -> None:
    project = reviewed(tmp_path, by)
    with pytest.raises(BadInput) as refused:
        store(project, options={"recording": str(project.recording)} | options)
    assert words in refused.value.message
    assert refused.value.hint
