"""The same run id in the same home, of another database: nothing of the first is taken over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.projects import call, make_project

from autopack.clock import SystemClock
from autopack.ledger.events.usage_events import token_totals
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState
from autopack.runs.attempt import begin
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.reconcile.reconcile import clean
from autopack.runs.session.opening import (
    close_session,
    open_session,
)
from autopack.runs.session.session import (
    RunSession,
)
from autopack.runs.spools.spool import spool_folder
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.leases import abandon
from autopack.store.runs import get_attempts


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[list[RunSession]]:
    """A run ``r`` in each of two databases of one home, held by this process."""
    home = tmp_path / "home"
    home.mkdir()
    project = make_project(tmp_path / "project", {"one": [[call(100)]]})
    sessions: list[RunSession] = []
    for name in ("first", "second"):
        url = f"sqlite:///{tmp_path / name}.db"
        settings, db, clock = Settings(home, url), Database.open(url), SystemClock()
        request = RunRequest(
            plan=str(project.plan),
            repo=str(project.repository),
            builder_options={"recording": str(project.recording)},
            run_id="r",
        )
        prepare_run(request, db=db, settings=settings, clock=clock)
        session = open_session("r", db=db, settings=settings, clock=clock)
        begin(session, "one")
        sessions.append(session)
        if name == "first":
            spool = spool_folder(session.folder, AttemptKey("r", "one", 1))
            (spool / "builder.out").write_text(json.dumps(call(100)) + "\n")
            end = {"status": "ended", "exit_status": 0, "summary": "of the first"}
            (spool / "build.json").write_text(json.dumps(end))
            ref = session.mirror.attempt_ref(AttemptKey("r", "one", 1))
            session.mirror.set_ref(ref, session.head(), old=None)
        close_session(session, release_lease=False)
        abandon(db, session.lease)
    yield sessions
    for session in sessions:
        session.db.close()


def resumed(session: RunSession) -> tuple[AttemptState, int]:
    again = open_session("r", db=session.db, settings=session.settings, clock=SystemClock())
    close_session(again)
    return get_attempts(session.db, "r")[0].state, token_totals(session.db, "r").total


def test_neither_reads_what_the_other_built(taken: list[RunSession]) -> None:
    first, second = taken
    assert resumed(second) == (AttemptState.INTERRUPTED, 0)
    assert resumed(first) == (AttemptState.BUILT, 100)


def test_reconciling_one_leaves_the_other_alone(taken: list[RunSession]) -> None:
    first, second = taken
    clean(second.db, second.settings)
    assert token_totals(second.db, "r").total == 0
    assert resumed(first) == (AttemptState.BUILT, 100)


def test_their_folders_and_refs_have_different_names(taken: list[RunSession]) -> None:
    first, second = taken
    assert first.folder.name == "r"
    assert second.folder.name == f"r@{second.db.key}"
    refs = {one.mirror.attempt_ref(AttemptKey("r", "one", 1)) for one in taken}
    assert refs == {"refs/autopack/r/one/1", f"refs/autopack/r@{second.db.key}/one/1"}
