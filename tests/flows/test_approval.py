"""Runs that wait for a person: at a cap, and before a phase that asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.projects import Project, call, make_project

from autopack.clock import SystemClock
from autopack.model.budget import Resource
from autopack.model.errors import BadInput, Refused
from autopack.runs.approval import approve
from autopack.settings import Settings
from autopack.store.approvals import Answer
from autopack.store.database.engine import Database
from autopack.store.leases import holder_of
from autopack.views.run_view import run_view

YES = Answer(approved=True, by="ann@desk", note="go on")
NO = Answer(approved=False, by="ann@desk", note="too dear")


def write(**files: str | None) -> dict[str, Any]:
    return {"files": files}


@pytest.fixture
def db(home: Path) -> Iterator[Database]:
    opened = Database.open(os.environ["DATABASE_URL"])
    yield opened
    opened.close()


async def start(project: Project, **more: Any) -> dict[str, Any]:
    from flows import execute_run

    return await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        run_id="r",
        **more,
    )


async def resume() -> dict[str, Any]:
    from flows import execute_run

    return await execute_run(run_id="r")


def say(given: Answer, db: Database) -> None:
    approve("r", given, db=db, settings=Settings.from_environment(), clock=SystemClock())


def raised(tokens: int) -> Answer:
    return Answer(approved=True, by="ann@desk", new_cap=Decimal(tokens), resource=Resource.TOKENS)


@pytest.mark.parametrize("engine_name", ["sqlite", "postgresql"])
async def test_at_its_cap_a_run_waits_and_goes_on_with_a_higher_one(
    db: Database, tmp_path: Path
) -> None:
    phases = {"one": [[call(60), write(a="1")], [call(60), write(b="1")]]}
    project = make_project(tmp_path, phases, phase={"validate": ["test -e b"]})

    waiting = await start(project, token_cap=50, at_cap="ask")

    assert waiting["state"] == "AWAITING_APPROVAL"
    assert "60 of 50 tokens" in waiting["failure_reason"]
    assert holder_of(db, "r") is None
    check_form(db, "60 of 50 tokens", "60 tokens", "`one` is built")
    assert (await resume())["state"] == "AWAITING_APPROVAL"
    with pytest.raises(BadInput, match="cap on tokens"):
        say(YES, db)
    with pytest.raises(BadInput, match="no higher"):
        say(raised(50), db)

    say(raised(500), db)
    ended = await resume()

    assert (ended["state"], ended["tokens"]["total"]) == ("DONE_SUCCESS", 120)
    assert ended["budget"]["limits"]["tokens"] == 500
    (answered,) = ended["approvals"]
    assert (answered["answered_by"], answered["new_cap"]) == ("ann@desk", 500.0)
    with pytest.raises(Refused, match="not waiting for an answer"):
        say(YES, db)


async def test_a_phase_that_asks_is_built_only_after_a_yes(db: Database, tmp_path: Path) -> None:
    phases = {"one": [[call(1), write(a="1")]]}
    project = make_project(tmp_path, phases, phase={"approval": True})

    waiting = await start(project)

    assert (waiting["state"], waiting["tokens"]["total"]) == ("AWAITING_APPROVAL", 0)
    check_form(db, "`one` is built: do one", "0 of 1 phase complete")
    say(YES, db)
    ended = await resume()
    assert ended["state"] == "DONE_SUCCESS"
    assert ended["approvals"][0]["note"] == "go on"


NAN, MINUS = Decimal("NaN"), Decimal(-5)


@pytest.mark.parametrize("cap", [NAN, MINUS, Decimal("Infinity"), Decimal(500)])
@pytest.mark.parametrize("approved", [True, False])
async def test_where_no_cap_is_asked_for_none_is_stored(
    db: Database, tmp_path: Path, cap: Decimal, approved: bool
) -> None:
    phases = {"one": [[call(1), write(a="1")]]}
    await start(make_project(tmp_path, phases, phase={"approval": True}))

    with pytest.raises(BadInput, match=r"asks for no cap|takes no cap|invalid") as refused:
        say(Answer(approved, "ann@desk", new_cap=cap, resource=Resource.MINUTES), db)

    assert refused.value.field == "minutes_cap"
    assert run_view(db, "r")["approvals"][0]["answered_at"] is None


async def test_the_cap_of_a_phase_is_raised_and_never_lowered(db: Database, tmp_path: Path) -> None:
    builds = [[call(60), write(**{name: "1"})] for name in ("a", "b", "c")]
    phase = {"validate": ["test -e c"], "budget": {"tokens": 50}}
    project = make_project(tmp_path, {"one": builds}, phase=phase)

    waiting = await start(project, at_cap="ask")
    assert "60 of 50 tokens" in waiting["failure_reason"]
    for lower in (1, 50):
        with pytest.raises(BadInput, match="no higher than the cap of 50"):
            say(raised(lower), db)
    say(raised(70), db)
    again = await resume()
    assert "120 of 70 tokens" in again["failure_reason"]
    with pytest.raises(BadInput, match="no higher than the cap of 70"):
        say(raised(60), db)
    say(raised(500), db)
    assert (await resume())["state"] == "DONE_SUCCESS"


async def test_a_no_ends_the_run_also_where_its_recording_is_missing(
    db: Database, tmp_path: Path
) -> None:
    phases = {"one": [[call(1), write(a="1")]]}
    project = make_project(tmp_path, phases, phase={"approval": True})
    await start(project)
    project.recording.rename(tmp_path / "elsewhere")

    say(NO, db)

    run = run_view(db, "r")
    assert run["state"] == "DONE_CANCELLED"
    assert "rejected by ann@desk: too dear" in run["failure_reason"]
    assert holder_of(db, "r") is None


async def test_a_no_ends_the_run(db: Database, tmp_path: Path) -> None:
    phases = {"one": [[call(1), write(a="1")]]}
    await start(make_project(tmp_path, phases, phase={"approval": True}))

    say(NO, db)

    run = run_view(db, "r")
    assert run["state"] == "DONE_CANCELLED"
    assert "rejected by ann@desk: too dear" in run["failure_reason"]


def check_form(db: Database, *says: str) -> None:
    """The form in which Prefect asks says what is approved, and its default is to continue."""
    from autopack.store.approvals import pending
    from autopack.views.approval_text import approval_text
    from flows.approval import ApprovalForm

    assert ApprovalForm().approve
    question = pending(db, "r")
    assert question is not None
    text = approval_text(db, Settings.from_environment(), "r", question)
    for words in ("So far: ", " tokens, ", "If you approve: ", *says):
        assert words in text, text


async def test_an_empty_form_says_which_fields_are_needed(home: Path) -> None:
    from flows import execute_run

    with pytest.raises(BadInput, match="fields plan and repo"):
        await execute_run()
