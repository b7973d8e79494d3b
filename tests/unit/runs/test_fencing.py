"""A holder that was frozen past its lease changes nothing outside the database either."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.attempts import begun
from support.projects import Project, call, git, make_project, make_remote, refs_in
from support.runs import conclude

from autopack.clock import SystemClock
from autopack.model.errors import LeaseLost
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState, RunState
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.finish.finish import (
    cancel,
    decided_ending,
    end_abandoned,
    finish,
)
from autopack.runs.finish.push import push_run
from autopack.runs.reconcile.reconcile import clean
from autopack.runs.session.opening import (
    Given,
    close_session,
    open_session,
)
from autopack.runs.session.session import (
    RunSession,
)
from autopack.runs.session.stop import StopReason, in_thread
from autopack.runs.spools.record_build import BuildRecorder
from autopack.settings import Settings
from autopack.store import Database
from autopack.store.runs import AttemptRow, get_run
from autopack.store.tables import leases
from autopack.workspace.git import Git
from autopack.workspace.mirror import Mirror
from autopack.workspace.workspace import Workspace

Opening = Callable[[str], RunSession]


class Killed(BaseException):
    """Nothing of the process goes on."""


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def project(tmp_path: Path) -> Project:
    phases = {
        "one": [[call(5), {"files": {"one.txt": "1"}}]],
        "two": [[call(5), {"files": {"two.txt": "2"}}]],
    }
    return make_project(tmp_path / "project", phases)


@pytest.fixture
def frozen(store: Callable[..., str], project: Project, open_run: Opening) -> RunSession:
    """The first holder of a run whose phase ``one`` is complete and that is pushed."""
    make_remote(project.repository)
    session = open_run(store(project, push="central"))
    complete(session, "one")
    return session


@pytest.fixture
def take_over(database: Database, open_run: Opening) -> Callable[[], RunSession]:
    """Takes the run from a holder that fell silent for longer than its lease."""

    def taking() -> RunSession:
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        database.transact(lambda conn: conn.execute(sa.update(leases).values(expires_at=long_ago)))
        return open_run("r")

    return taking


def complete(session: RunSession, phase_id: str) -> None:
    async def work() -> None:
        session.environment = await prepare_environment(session)
        started = begun(session, phase_id)
        await steps.build(session, started.key)
        conclude(session, phase_id, started.attempt, None)

    asyncio.run(work())


def branch(repository: Path) -> str | None:
    return refs_in(repository, "refs/heads/autopack").get("refs/heads/autopack/r")


def interrupt(
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    name: str,
    meanwhile: Callable[[], object],
    when: Callable[..., bool] = lambda *_, **__: True,
) -> None:
    """Do ``meanwhile`` once, just before a method is called for the first time."""
    real, done = getattr(owner, name), threading.Event()

    def method(*args: Any, **more: Any) -> object:
        if not done.is_set() and when(*args, **more):
            done.set()
            meanwhile()
        return real(*args, **more)

    monkeypatch.setattr(owner, name, method)


def test_the_branch_does_not_go_back_behind_a_successor_that_worked_on(
    frozen: RunSession,
    project: Project,
    take_over: Callable[[], RunSession],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    successors: list[RunSession] = []

    def work_on() -> None:
        successors.append(take_over())
        complete(successors[0], "two")

    interrupt(monkeypatch, Mirror, "publish", work_on)
    with pytest.raises(LeaseLost):
        finish(frozen, RunState.DONE_FAILED_ENVIRONMENT, "no environment")
    [successor] = successors
    assert branch(project.repository) is None
    assert successor.workspace.path.exists()
    finish(successor, RunState.DONE_SUCCESS)
    run = successor.run()
    assert (run.state, branch(project.repository)) == (RunState.DONE_SUCCESS, run.head_commit)
    assert git(project.repository, "show", "autopack/r:two.txt") == "2"


def test_a_branch_that_its_user_deleted_after_the_end_is_not_made_again(
    frozen: RunSession,
    project: Project,
    take_over: Callable[[], RunSession],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def end() -> None:
        successor = take_over()
        finish(successor, *(decided_ending(successor) or ()))  # pyright: ignore[reportArgumentType]
        close_session(successor)
        git(project.repository, "branch", "-D", "autopack/r")

    interrupt(monkeypatch, Mirror, "publish", end)
    with pytest.raises(LeaseLost):
        finish(frozen, RunState.DONE_SUCCESS)
    assert branch(project.repository) is None
    assert get_run(frozen.db, "r").state is RunState.DONE_SUCCESS


@pytest.mark.parametrize("method", ["put_ref", "set_ref"])
def test_no_ref_of_an_attempt_moves_behind_a_successor(
    frozen: RunSession, take_over: Callable[[], RunSession], method: str
) -> None:
    run, ref = frozen.run(), frozen.mirror.attempt_ref(AttemptKey("r", "two", 1))
    take_over()
    move = getattr(frozen.mirror, method)
    with pytest.raises(LeaseLost):
        move(ref, run.base_commit, **({"old": None} if method == "set_ref" else {}))
    assert frozen.mirror.read_ref(ref) is None


def test_a_build_that_ends_behind_a_successor_moves_no_ref(
    frozen: RunSession, take_over: Callable[[], RunSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    successors: list[RunSession] = []
    interrupt(monkeypatch, BuildRecorder, "built", lambda: successors.append(take_over()))
    with pytest.raises(LeaseLost):
        complete(frozen, "two")
    [successor] = successors
    found = steps.begin(successor, "two")
    assert isinstance(found, AttemptRow)
    assert found.state is AttemptState.BUILT, "its work is not paid for again"
    refs = successor.mirror.git.run("for-each-ref", "--format=%(objectname)", "refs/autopack/r/two")
    assert refs.split() == [found.commit]


def remote_of(project: Project) -> Path:
    return project.repository.with_name(f"{project.repository.name}.git")


def test_a_push_does_not_begin_behind_a_successor(
    frozen: RunSession, project: Project, take_over: Callable[[], RunSession]
) -> None:
    take_over()
    with pytest.raises(LeaseLost):
        push_run(frozen)
    assert refs_in(remote_of(project), "refs/autopack", "refs/heads/autopack") == {}


def test_a_push_that_a_successor_overtook_changes_nothing(
    frozen: RunSession,
    project: Project,
    take_over: Callable[[], RunSession],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both looked where the refs stood; what was pushed since is not what the late one saw."""
    there: dict[str, str] = {}

    def overtake() -> None:
        successor = take_over()
        complete(successor, "two")
        assert push_run(successor) is None
        there.update(refs_in(remote_of(project), "refs/autopack", "refs/heads/autopack"))

    interrupt(monkeypatch, Git, "run", overtake, when=lambda _, *words, **__: "push" in words)
    with pytest.raises(LeaseLost):
        push_run(frozen)
    assert refs_in(remote_of(project), "refs/autopack", "refs/heads/autopack") == there
    assert branch(remote_of(project)) == get_run(frozen.db, "r").head_commit


@pytest.fixture
def silent_server(frozen: RunSession, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remote is a server that never answers."""
    git(project.repository, "remote", "set-url", "central", "ssh://nowhere.invalid/x.git")
    monkeypatch.setenv("GIT_SSH_COMMAND", "sleep 600; true")


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
@pytest.mark.skipif(os.name != "posix", reason="uses sleep")
@pytest.mark.usefixtures("silent_server")
def test_a_push_does_not_outlive_its_lease(frozen: RunSession) -> None:
    began = time.monotonic()
    threading.Timer(0.3, frozen.switch.stop, (StopReason.LEASE_LOST, "taken over")).start()
    assert "was ended: the run was taken over" in (push_run(frozen) or "")
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
@pytest.mark.skipif(os.name != "posix", reason="uses sleep")
@pytest.mark.usefixtures("silent_server")
async def test_a_push_that_is_cancelled_has_ended_before_the_run_is_released(
    frozen: RunSession,
) -> None:
    said: list[str | None] = []
    work = asyncio.create_task(
        in_thread(lambda ending: said.append(push_run(frozen, ending)))  # type: ignore[func-returns-value]
    )
    await asyncio.sleep(0.3)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert said
    assert "was ended" in (said[0] or "")


@pytest.fixture(params=["publish", "push_at_the_end", "_close"])
def killed_at(
    request: pytest.FixtureRequest, frozen: RunSession, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Its holder was killed while it ended the run, before this step."""

    def die(*_: object, **__: object) -> None:
        raise Killed

    complete(frozen, "two")
    with monkeypatch.context() as patch:
        where = Mirror if request.param == "publish" else "autopack.runs.finish.finish"
        if isinstance(where, str):
            patch.setattr(f"{where}.{request.param}", die)
        else:
            patch.setattr(where, request.param, die)
        with pytest.raises(Killed):
            finish(frozen, RunState.DONE_SUCCESS)
    return request.param


@pytest.mark.usefixtures("killed_at")
def test_who_takes_over_a_run_that_is_being_ended_ends_it(
    project: Project, take_over: Callable[[], RunSession]
) -> None:
    successor = take_over()
    decided = decided_ending(successor)
    assert decided == (RunState.DONE_SUCCESS, None)
    finish(successor, *decided)  # pyright: ignore[reportArgumentType]
    run = successor.run()
    assert run.state is RunState.DONE_SUCCESS
    assert run.head_commit == branch(project.repository) == branch(remote_of(project))
    assert decided_ending(successor) is None


@pytest.mark.usefixtures("killed_at")
@pytest.mark.parametrize("asked", ["cancel", "give up"])
def test_work_that_was_done_is_delivered_also_when_the_run_is_closed_from_outside(
    frozen: RunSession,
    project: Project,
    take_over: Callable[[], RunSession],
    database: Database,
    settings: Settings,
    asked: str,
) -> None:
    close_session(take_over())
    if asked == "cancel":
        cancel("r", db=database, settings=settings, clock=SystemClock())
    else:
        state = RunState.DONE_FAILED_ENVIRONMENT
        end_abandoned("r", state, "died", db=database, settings=settings, clock=SystemClock())
    run = get_run(frozen.db, "r")
    assert (run.state, branch(project.repository)) == (RunState.DONE_SUCCESS, run.head_commit)


def test_the_checkout_goes_after_the_close_and_others_are_left_to_cleaning(
    frozen: RunSession,
    take_over: Callable[[], RunSession],
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    successor = take_over()
    complete(successor, "two")
    states: list[RunState] = []
    interrupt(
        monkeypatch,
        type(successor.workspace),
        "remove",
        lambda: states.append(successor.run().state),
    )
    finish(successor, RunState.DONE_SUCCESS)
    assert states == [RunState.DONE_SUCCESS]
    assert not successor.workspace.path.exists()
    assert frozen.workspace.path.exists()
    close_session(successor)
    clean(database, settings)
    assert not (settings.run_folder("r") / "work").exists()
    private = frozen.mirror.git_dir / "autopack-workspaces"
    assert list(private.iterdir()) == []


def test_the_environment_of_a_successor_is_not_removed(
    frozen: RunSession,
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The holder froze after it had closed the run; somebody then resumed that."""
    environment = frozen.folder / "environment"
    successors: list[RunSession] = []

    def reopen() -> None:
        close_session(frozen)
        successors.append(
            open_session(
                "r", db=database, settings=settings, clock=SystemClock(), given=Given(reopen=True)
            )
        )
        environment.mkdir(exist_ok=True)
        (environment / "of").write_text("the successor")

    interrupt(monkeypatch, Workspace, "remove", reopen)
    finish(frozen, RunState.DONE_FAILED_ENVIRONMENT, "no environment")
    assert (environment / "of").read_text() == "the successor"
    [successor] = successors
    finish(successor, RunState.DONE_FAILED_ENVIRONMENT, "no environment")
    assert not environment.exists()
    close_session(successor)
