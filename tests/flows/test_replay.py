"""Replay campaigns as a flow: what goes on, what is left out, and what is said of the rest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.projects import Project, make_project

from autopack.clock import SystemClock
from autopack.ledger.budget.budget_tree import campaign_level, set_campaign
from autopack.model.budget import Limits
from autopack.runs.finish.finish import cancel
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.settings import Settings
from autopack.store.database.engine import Database

# What differs between the engines is tested with the store.
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("engine_name", ["sqlite"])]


@pytest.fixture
def db(home: Path) -> Iterator[Database]:
    opened = Database.open(os.environ["DATABASE_URL"])
    yield opened
    opened.close()


def store_cancelled(db: Database, project: Project, run_id: str, **more: Any) -> None:
    """A run that has ended, without any work."""
    settings = Settings.from_environment()
    wanted: dict[str, Any] = {"builder_options": {"recording": str(project.recording)}} | more
    request = RunRequest(
        plan=str(project.plan), repo=str(project.repository), run_id=run_id, **wanted
    )
    prepare_run(request, db=db, settings=settings, clock=SystemClock())
    cancel(run_id, db=db, settings=settings, clock=SystemClock())


async def replay(**more: Any) -> dict[str, Any]:
    from flows import replay_campaign

    return await replay_campaign(name="anew", **more)


def command(program: Path) -> dict[str, Any]:
    """A builder that is a program of the user's."""
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return {"builder": "command", "builder_options": {"template": f"{program} {{prompt_file}}"}}


async def test_what_cannot_start_is_said_with_its_reason_and_does_not_block_the_report(
    db: Database, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", {"one": [[{"files": {"a": "1"}}]]})
    store_cancelled(db, project, "good")
    store_cancelled(db, project, "lost", **command(tmp_path / "agent"))
    (tmp_path / "agent").unlink()
    first = {"state": "DONE_CANCELLED", "enable": ["intention_context"], "token_cap": 1_000_000}

    answer = await replay(**first)

    assert not answer["finished"]
    assert answer["unfinished"] == ["anew-2-baseline", "anew-2-candidate"]
    for run in answer["unfinished_runs"]:
        assert run["state"] == "RUN_CREATED"
        assert "agent of the template is not installed" in run["error"]

    set_campaign(db, "anew", Limits(tokens=2_000_000))
    project.recording.rename(tmp_path / "away")
    settings = Settings.from_environment()
    for run_id in answer["unfinished"]:
        cancel(run_id, db=db, settings=settings, clock=SystemClock())
    report = await replay()

    assert report["finished"]
    assert report["enabled"] == ["intention_context"]
    assert {item["replay_of"] for item in report["items"]} == {"good", "lost"}
    assert report["left_out"] == [], "what has been replayed needs its recording no more"
    assert campaign_level(db, "anew").limits.tokens == 2_000_000


async def test_the_others_are_reported_on_and_what_is_lost_is_named(
    db: Database, tmp_path: Path
) -> None:
    kept, lost = (
        make_project(tmp_path / name, {"one": [[{"files": {"a": "1"}}]]})
        for name in ("kept", "lost")
    )
    store_cancelled(db, kept, "kept")
    store_cancelled(db, lost, "lost")
    lost.repository.rename(tmp_path / "away")

    report = await replay(state="DONE_CANCELLED", enable=["intention_context"])

    assert report["finished"]
    assert [item["replay_of"] for item in report["items"]] == ["kept"]
    [left_out] = report["left_out"]
    assert left_out["run_id"] == "lost"
    assert str(lost.repository) in left_out["reason"]
    page = Settings.from_environment().home / "reports" / "anew" / "report.md"
    assert "Left out" in page.read_text(encoding="utf-8")


async def test_what_waits_for_a_person_is_said_to_wait(db: Database, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", {"one": [[]]}, phase={"approval": True})
    store_cancelled(db, project, "asks")

    answer = await replay(run_id=["asks"], no_baseline=True)

    [run] = answer["unfinished_runs"]
    assert (run["run_id"], run["state"]) == ("anew-1-candidate", "AWAITING_APPROVAL")
    assert "one" in run["error"]
