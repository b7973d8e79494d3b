"""How a run ends: published, closed, cleaned up; and cancelled from elsewhere."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.attempts import begun
from support.projects import Project, call, fingerprint, git, make_project
from support.runs import conclude

from autopack.clock import ManualClock, SystemClock
from autopack.model.errors import NotFound, Refused
from autopack.model.states import PhaseState, RunState
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.finish import finish as finishing
from autopack.runs.finish.finish import cancel, finish
from autopack.runs.session.opening import (
    close_session,
)
from autopack.runs.session.session import (
    RunSession,
)
from autopack.runs.session.stop import StopReason
from autopack.settings import Settings
from autopack.store import Database
from autopack.store.leases import Holder, abandoned_runs, acquire
from autopack.store.runs import get_phases, get_run

Opening = Callable[[str], RunSession]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    phases = {"one": [[call(5), {"files": {"a": "1"}}]], "two": [[call(5)]]}
    return make_project(tmp_path / "project", phases)


@pytest.fixture
def session(store: Callable[..., str], project: Project, open_run: Opening) -> RunSession:
    return open_run(store(project))


@pytest.fixture
async def half_done(session: RunSession) -> RunSession:
    """A run whose first phase is complete."""
    session.environment = await prepare_environment(session)
    started = begun(session, "one")
    await steps.build(session, started.key)
    conclude(session, "one", started.attempt, None)
    return session


async def test_what_was_completed_is_published_and_nothing_else_changes(
    half_done: RunSession, project: Project
) -> None:
    before = fingerprint(project.repository)
    finish(half_done, RunState.DONE_SUCCESS)
    run = half_done.run()
    assert git(project.repository, "rev-parse", "autopack/r").strip() == run.head_commit
    assert (run.state, run.failure_reason) == (RunState.DONE_SUCCESS, None)
    assert run.finished_at is not None
    assert fingerprint(project.repository) == before
    assert not half_done.workspace.path.exists()


async def test_a_failed_run_publishes_what_it_completed_too(
    half_done: RunSession, project: Project
) -> None:
    finish(half_done, RunState.DONE_FAILED_BUDGET_EXHAUSTED, "two: tokens")
    assert git(project.repository, "show", "autopack/r:a") == "1"
    assert half_done.run().failure_reason == "two: tokens"


def test_a_run_that_completed_nothing_publishes_nothing(
    session: RunSession, project: Project
) -> None:
    finish(session, RunState.DONE_CANCELLED, "cancelled")
    assert git(project.repository, "branch", "--list", "autopack/*") == ""


async def test_work_that_cannot_be_published_is_no_success(
    half_done: RunSession, project: Project
) -> None:
    git(project.repository, "branch", "autopack/r")
    git(project.repository, "commit", "-q", "--allow-empty", "-m", "mine")
    git(project.repository, "branch", "-f", "autopack/r", "HEAD")
    theirs = git(project.repository, "rev-parse", "autopack/r")

    finish(half_done, RunState.DONE_SUCCESS)

    run = half_done.run()
    assert run.state is RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW
    assert "autopack/r was not published" in (run.failure_reason or "")
    assert git(project.repository, "rev-parse", "autopack/r") == theirs
    assert half_done.mirror.has(run.head_commit or "")


async def test_a_phase_that_was_being_worked_on_is_queued(half_done: RunSession) -> None:
    steps.begin(half_done, "two")
    finish(half_done, RunState.DONE_CANCELLED, "cancelled")
    states = [phase.state for phase in get_phases(half_done.db, "r")]
    assert states == [PhaseState.COMPLETE, PhaseState.QUEUED]


def test_a_run_that_nobody_holds_is_cancelled_here(
    store: Callable[..., str], project: Project, database: Database, settings: Settings
) -> None:
    cancel(store(project), db=database, settings=settings, clock=SystemClock())
    run = get_run(database, "r")
    assert (run.state, run.failure_reason) == (
        RunState.DONE_CANCELLED,
        "cancelled before it was finished",
    )
    assert not (settings.run_folder("r") / "work").exists()


def test_a_run_whose_holder_died_is_cancelled_here(
    store: Callable[..., str], project: Project, database: Database, settings: Settings
) -> None:
    acquire(database, store(project), replace(Holder.of_this_process(), started=-100.0), 45)
    cancel("r", db=database, settings=settings, clock=SystemClock())
    assert get_run(database, "r").state is RunState.DONE_CANCELLED


def test_a_holder_is_asked_and_closes_the_run_itself(
    session: RunSession, database: Database, settings: Settings
) -> None:
    asked = threading.Event()

    def close_when_asked() -> None:
        while session.switch.stopped is None:
            asked.wait(0.01)
        assert session.switch.stopped.reason is StopReason.CANCELLED
        finish(session, RunState.DONE_CANCELLED, session.switch.stopped.message)
        close_session(session)

    holder = threading.Thread(target=close_when_asked)
    holder.start()
    cancel("r", db=database, settings=settings, clock=SystemClock())
    holder.join()
    assert get_run(database, "r").state is RunState.DONE_CANCELLED
    assert get_run(database, "r").failure_reason == "the run was cancelled"


def test_a_holder_that_does_not_answer_is_named_as_the_reason(
    session: RunSession,
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = ManualClock()
    monkeypatch.setattr(finishing.time, "sleep", clock.advance)
    with pytest.raises(Refused, match="has not answered yet"):
        cancel("r", db=database, settings=settings, clock=clock)
    assert session.run().cancel_requested_at is not None


def test_only_a_run_that_goes_on_can_be_cancelled(
    session: RunSession, database: Database, settings: Settings
) -> None:
    finish(session, RunState.DONE_SUCCESS)
    with pytest.raises(Refused, match="has ended"):
        cancel("r", db=database, settings=settings, clock=SystemClock())
    with pytest.raises(NotFound):
        cancel("nobody", db=database, settings=settings, clock=SystemClock())


def test_a_run_that_cannot_be_opened_can_still_be_cancelled(
    session: RunSession, database: Database, settings: Settings
) -> None:
    close_session(session)
    acquire(database, "r", replace(Holder.of_this_process(), started=-100.0), 45)
    shutil.rmtree(settings.run_folder("r") / "work")
    (settings.run_folder("r") / "work").write_text("in the way")
    cancel("r", db=database, settings=settings, clock=SystemClock())
    assert get_run(database, "r").state is RunState.DONE_CANCELLED
    assert abandoned_runs(database) == []


def test_a_run_whose_repository_is_gone_can_still_be_cancelled(
    session: RunSession, database: Database, settings: Settings
) -> None:
    close_session(session)
    shutil.rmtree(session.mirror.source.location)
    cancel("r", db=database, settings=settings, clock=SystemClock())
    run = get_run(database, "r")
    assert run.state is RunState.DONE_CANCELLED
    assert "cancelled before it was finished; " in (run.failure_reason or "")
