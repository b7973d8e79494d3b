"""A run whose holder died after it had decided on its end is ended so, and not worked on."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.projects import call, git, make_project
from support.runs import conclude

from autopack.clock import SystemClock
from autopack.model.ids import AttemptKey
from autopack.model.states import RunState
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.session.opening import (
    close_session,
    open_session,
)
from autopack.settings import Settings
from autopack.store.cancelling import request_cancel_of
from autopack.store.database.engine import Database
from autopack.store.endings import note_ending, noted_ending
from autopack.store.runs import get_attempts

ENDS = {
    RunState.DONE_SUCCESS: ("COMPLETED", "Completed"),
    RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW: ("FAILED", "Failed"),
    RunState.DONE_CANCELLED: ("CANCELLED", "Cancelled"),
}


@pytest.fixture
def engine_name() -> str:
    """SQLite alone: endings are tested with the store."""
    return "sqlite"


@pytest.mark.parametrize(
    ("state", "is_cancelled_since"),
    [*((state, False) for state in ENDS), (RunState.DONE_SUCCESS, True)],
)
async def test_what_was_decided_is_carried_out(
    home: Path, tmp_path: Path, state: RunState, is_cancelled_since: bool
) -> None:
    from prefect import get_client

    from flows import execute_run

    project = make_project(
        tmp_path / "project",
        {"one": [[call(5), {"files": {"one.txt": "1"}}]], "two": [[call(7)]]},
    )
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    request = RunRequest(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options={"recording": str(project.recording)},
        run_id="r",
    )
    prepare_run(request, db=db, settings=settings, clock=SystemClock())
    dead = open_session("r", db=db, settings=settings, clock=SystemClock())
    dead.environment = await prepare_environment(dead)
    steps.begin(dead, "one")
    await steps.build(dead, AttemptKey(dead.run_id, "one", 1))
    conclude(dead, "one", 1, None)
    decided = db.transact(lambda conn: note_ending(conn, dead.lease, state, "as decided"))
    close_session(dead, release_lease=False)
    if is_cancelled_since:
        request_cancel_of(db, ["r"])

    run = await execute_run(run_id="r")

    assert (run["state"], run["failure_reason"]) == (state, "as decided")
    assert [one.phase_id for one in get_attempts(db, "r")] == ["one"], "nothing more is built"
    assert noted_ending(db, "r") is None
    assert git(project.repository, "rev-parse", "autopack/r").strip() == decided.head_commit
    async with get_client() as client:
        ended = (await client.read_flow_run(run["flow_run_id"])).state
    assert ended is not None
    assert (ended.type, ended.name) == ENDS[state]
    db.close()
