"""A new run from what a finished one completed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.projects import Project, call, git, make_project
from support.runs import carry_out

from autopack.clock import SystemClock
from autopack.model.errors import BadInput, PlanError, Refused
from autopack.model.states import PhaseState, RunState
from autopack.runs.finish.finish import finish
from autopack.runs.prepare.retry import RetryRequest, prepare_retry
from autopack.runs.session.opening import (
    close_session,
    open_session,
)
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.runs import RunRow, get_attempts, get_ending
from autopack.views.run_view import run_view

GOOD = "test -e two.txt"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Phase one succeeds, phase two writes a wrong file twice and is given up, three waits."""
    wrong = [call(7), {"files": {"wrong.txt": "1"}}]
    made = make_project(
        tmp_path / "project",
        {
            "one": [[call(5), {"files": {"one.txt": "1"}}]],
            "two": [wrong, wrong],
            "three": [[call(3), {"files": {"three.txt": "3"}}]],
        },
    )
    change(made, {"two": {"validate": [GOOD], "budget": {"attempts": 2}}})
    return made


def change(project: Project, phases: dict[str, dict[str, Any]]) -> str:
    """Change phases of the plan; the path of the plan."""
    plan = yaml.safe_load(project.plan.read_text())
    for phase in plan["phases"]:
        phase |= phases.get(phase["id"], {})
    project.plan.write_text(yaml.safe_dump(plan))
    return str(project.plan)


def record(project: Project, phase_id: str, *files: str) -> None:
    steps = [call(11), {"files": dict.fromkeys(files, "x")}]
    path = project.recording / f"{phase_id}.yaml"
    path.write_text(yaml.safe_dump({"builds": [{"steps": steps}]}))


async def execute(run_id: str, db: Database, settings: Settings) -> None:
    session = open_session(run_id, db=db, settings=settings, clock=SystemClock())
    try:
        await carry_out(session)
        finish(session, *(get_ending(db, run_id) or (RunState.DONE_SUCCESS, None)))
    finally:
        close_session(session)


@pytest.fixture
async def failed(
    project: Project, store: Callable[..., str], database: Database, settings: Settings
) -> str:
    run_id = store(project, "failed")
    await execute(run_id, database, settings)
    assert run_view(database, run_id)["state"].startswith("DONE_FAILED")
    return run_id


@pytest.fixture
def retry(failed: str, database: Database, settings: Settings) -> Callable[..., RunRow]:
    def prepare(**more: Any) -> RunRow:
        request = RetryRequest(failed, new_id="again", **more)
        return prepare_retry(request, db=database, settings=settings, clock=SystemClock())

    return prepare


async def test_completed_phases_are_kept_and_the_rest_is_done(
    project: Project, retry: Callable[..., RunRow], database: Database, settings: Settings
) -> None:
    record(project, "two", "two.txt")
    assert retry().retry_of == "failed"
    await execute("again", database, settings)
    view = run_view(database, "again")
    assert view["state"] == "DONE_SUCCESS"
    assert [phase["attempts"] for phase in view["phases"]] == [0, 1, 1]
    assert view["tokens"]["total"] == 11 + 3
    listed = git(project.repository, "ls-tree", "--name-only", "autopack/again").split()
    assert {"one.txt", "two.txt", "three.txt"} <= set(listed)
    assert "wrong.txt" not in listed


async def test_the_first_attempt_is_told_how_the_phase_failed(
    project: Project, retry: Callable[..., RunRow], database: Database, settings: Settings
) -> None:
    record(project, "two", "two.txt")
    retry()
    await execute("again", database, settings)
    first = get_attempts(database, "again", "two")[0]
    assert first.hint is not None
    assert first.hint.startswith("In the earlier run failed:\nAttempt 2 failed")
    assert get_attempts(database, "again", "three")[0].hint is None


async def test_it_begins_with_the_work_of_an_attempt(
    project: Project, retry: Callable[..., RunRow], database: Database, settings: Settings
) -> None:
    record(project, "two", "two.txt")
    retry(from_attempt=1)
    await execute("again", database, settings)
    listed = git(project.repository, "ls-tree", "--name-only", "autopack/again").split()
    assert {"two.txt", "wrong.txt"} <= set(listed)
    first = get_attempts(database, "again", "two")[0]
    assert first.base_commit == get_attempts(database, "failed", "two")[0].commit
    assert "Attempt 1 failed" in (first.hint or "")


async def test_a_plan_may_change_what_is_not_complete(
    project: Project, retry: Callable[..., RunRow], database: Database, settings: Settings
) -> None:
    retry(plan=change(project, {"two": {"validate": ["true"]}}))
    await execute("again", database, settings)
    assert run_view(database, "again")["state"] == "DONE_SUCCESS"


def test_a_plan_may_not_change_what_is_complete(
    project: Project, retry: Callable[..., RunRow], database: Database
) -> None:
    plan = change(project, {"one": {"instructions": "something else"}})
    with pytest.raises(PlanError, match="changes phase one, which run failed completed") as caught:
        retry(plan=plan)
    assert caught.value.field == "phases.one"


async def test_a_completed_phase_is_done_again_when_named(
    project: Project, retry: Callable[..., RunRow], database: Database, settings: Settings
) -> None:
    record(project, "two", "two.txt")
    retry(phase="one", plan=change(project, {"one": {"instructions": "something else"}}))
    assert [phase["state"] for phase in run_view(database, "again")["phases"]] == ["QUEUED"] * 3
    await execute("again", database, settings)
    assert run_view(database, "again")["state"] == "DONE_SUCCESS"


async def test_what_was_kept_is_in_the_private_clone_also_when_the_branch_is_gone(
    project: Project, retry: Callable[..., RunRow], database: Database, settings: Settings
) -> None:
    git(project.repository, "branch", "-D", "autopack/failed")
    row = retry()
    kept = run_view(database, "again")["phases"][0]
    assert (kept["state"], kept["commit"]) == (PhaseState.COMPLETE.value, row.head_commit)


WRONG = [
    ({"phase": "four"}, BadInput, "phase"),
    ({"from_attempt": 3}, BadInput, "from_attempt"),
    ({"from_attempt": 0}, BadInput, "from_attempt"),
    ({"phase": "three", "from_attempt": 1}, BadInput, "from_attempt"),
    ({"plan": "gone.yaml"}, BadInput, "plan"),
    ({"token_cap": 10**30}, BadInput, "token_cap"),
]


@pytest.mark.parametrize(("more", "kind", "field"), WRONG)
def test_bad_input_is_refused_and_stores_nothing(
    more: dict[str, Any],
    kind: type[BadInput],
    field: str,
    retry: Callable[..., RunRow],
    database: Database,
) -> None:
    with pytest.raises(kind) as caught:
        retry(**more)
    assert caught.value.field == field
    with pytest.raises(BadInput):
        run_view(database, "again")


def test_a_run_that_has_not_ended_is_resumed_instead(
    project: Project, store: Callable[..., str], database: Database, settings: Settings
) -> None:
    store(project, "open")
    with pytest.raises(Refused, match="has not ended") as caught:
        prepare_retry(RetryRequest("open"), db=database, settings=settings, clock=SystemClock())
    assert "autopack resume open" in (caught.value.hint or "")
