"""A reviewer in a flow: what it rejects is the next hint, and a person has the last word."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support.projects import call, make_project, write_yaml

from autopack.clock import SystemClock
from autopack.ledger.events.usage_events import token_totals
from autopack.runs.approval import approve
from autopack.settings import Settings
from autopack.store.approvals import Answer
from autopack.store.database.engine import Database

pytestmark = pytest.mark.slow

BAD, GOOD = "the sum is a minus b", "the sum is a plus b"


@pytest.mark.parametrize("engine_name", ["sqlite", "postgresql"], indirect=True)
async def test_a_phase_is_rejected_then_accepted_by_a_person(home: Path, tmp_path: Path) -> None:
    from flows import execute_run

    project = make_project(
        tmp_path,
        {"one": [[{"files": {"word": f"{word}\n"}}, call(100)] for word in (BAD, GOOD)]},
        plan={"policy": {"review": "script", "review_required": True}},
    )
    finding = {"path": "word", "quote": f"+{BAD}", "problem": "it has to add"}
    answers = [{"verdict": "reject", "findings": [finding]} | call(40), {"text": "hm"} | call(40)]
    write_yaml(project.recording / "one.review.yaml", {"answers": answers})

    async def run(**more: Any) -> dict[str, Any]:
        return await execute_run(run_id="r", **more)

    waits = await run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
    )
    assert waits["state"] == "AWAITING_APPROVAL", waits
    settings = Settings(home, os.environ["DATABASE_URL"])
    db = Database.open(settings.database_url)
    yes = Answer(approved=True, by="ann")
    approve("r", yes, db=db, settings=settings, clock=SystemClock())
    done = await run()
    assert done["state"] == "DONE_SUCCESS", done
    [phase] = done["phases"]
    assert phase["attempts"] == 2
    kinds = [one["kind"] for one in phase["decisions"]]
    assert kinds == ["review", "retry", "review", "wait", "complete"]
    assert [one["verdict"] for one in phase["reviews"]] == ["reject", "inconclusive"]
    assert phase["reviews"][0]["findings"][0]["changed"] is True
    totals = token_totals(db, "r")
    assert (totals.total, totals.by_category["second_opinion"]) == (280, 80)
    db.close()
