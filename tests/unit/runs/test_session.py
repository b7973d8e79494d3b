"""A run in the hands of this process: taken, resumed, given back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.attempts import begun
from support.projects import Project, call, git, make_project

from autopack.clock import SystemClock
from autopack.model.errors import (
    AutopackError,
    BadInput,
    NotFound,
    Refused,
    RepositoryError,
    RunHeld,
)
from autopack.model.states import AttemptState, RunState
from autopack.process.leftovers import run_marks
from autopack.process.scratch import Scratch
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.run_folder import remove_workspace
from autopack.runs.session.fetch import clone_ahead
from autopack.runs.session.opening import (
    close_session,
    open_session,
)
from autopack.runs.session.session import (
    RunSession,
    held,
)
from autopack.settings import Settings
from autopack.store import Database, tables
from autopack.store.folder_note import find_folder
from autopack.store.leases import Holder, abandoned_runs, acquire, holder_of
from autopack.store.runs import get_attempts, get_run, move_run

Opening = Callable[[str], RunSession]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    phases = {"one": [[call(5), {"files": {"a": "1"}}]]}
    return make_project(tmp_path / "project", phases, files={"README.md": "hello\n"})


@pytest.fixture
def run_id(store: Callable[..., str], project: Project) -> str:
    return store(project)


def fall_silent(db: Database, *, holder: Holder | None = None) -> None:
    """Let the lease run out, as if its holder (this process, unless said) had died."""

    def write(conn: sa.Connection) -> None:
        values: dict[str, Any] = {"expires_at": db.now(conn) - timedelta(days=1)}
        if holder is not None:
            values["holder"] = holder.to_json()
        conn.execute(sa.update(tables.leases).values(values))

    db.transact(write)


def test_a_run_that_is_opened_is_held_and_under_way(
    run_id: str, open_run: Opening, database: Database
) -> None:
    session = open_run(run_id)
    assert held(run_id) is session
    assert session.run().state is RunState.PHASE_EXECUTION
    assert session.run().started_at is not None
    assert holder_of(database, run_id) == Holder.of_this_process()
    assert (session.workspace.path / "README.md").read_text() == "hello\n"


def test_a_run_that_is_closed_can_be_opened_again(
    run_id: str, open_run: Opening, database: Database
) -> None:
    first = open_run(run_id)
    close_session(first)
    assert holder_of(database, run_id) is None
    with pytest.raises(Refused, match="does not hold run r"):
        held(run_id)
    second = open_run(run_id)
    assert second.lease.token == first.lease.token + 1
    assert second.workspace.path == first.workspace.path


def test_a_run_is_opened_once(
    run_id: str, open_run: Opening, database: Database, settings: Settings
) -> None:
    open_run(run_id)
    with pytest.raises(RunHeld, match=f"pid {os.getpid()}"):
        open_session(run_id, db=database, settings=settings, clock=SystemClock())
    assert holder_of(database, run_id) is not None


def test_a_run_that_does_not_exist_is_not_found(open_run: Opening) -> None:
    with pytest.raises(NotFound, match="nobody"):
        open_run("nobody")


def test_a_finished_run_is_refused(run_id: str, open_run: Opening, database: Database) -> None:
    session = open_run(run_id)
    database.transact(lambda conn: move_run(conn, session.lease, RunState.DONE_CANCELLED))
    close_session(session)
    with pytest.raises(Refused, match="is finished: DONE_CANCELLED"):
        open_run(run_id)


def test_a_run_whose_recording_is_gone_is_refused_and_not_held(
    run_id: str, open_run: Opening, database: Database, project: Project
) -> None:
    (project.recording / "one.yaml").unlink()
    with pytest.raises(BadInput, match="no file for phase one"):
        open_run(run_id)
    assert holder_of(database, run_id) is None


def notes_of_workspaces(settings: Settings) -> Path:
    """Where Autopack keeps its notes about checkouts."""
    (mirror,) = (settings.home / "repositories").glob("*.git")
    return mirror / "autopack-workspaces"


def test_what_was_cloned_ahead_is_what_the_run_works_with(
    run_id: str, open_run: Opening, database: Database, settings: Settings
) -> None:
    clone_ahead(run_id, db=database, settings=settings)
    mirror = notes_of_workspaces(settings).parent
    before = mirror.stat().st_ino
    assert holder_of(database, run_id) is None
    assert open_run(run_id).mirror.git_dir == mirror
    assert mirror.stat().st_ino == before


def test_what_cannot_be_cloned_ahead_is_said_when_the_run_is_opened(
    run_id: str, open_run: Opening, database: Database, settings: Settings, project: Project
) -> None:
    shutil.rmtree(project.repository)
    clone_ahead(run_id, db=database, settings=settings)
    with pytest.raises(AutopackError, match="repo"):
        open_run(run_id)


@pytest.mark.parametrize("object_", ["HEAD:README.md", "HEAD^{tree}"])
@pytest.mark.parametrize("content", [None, b"junk"])
def test_a_commit_that_is_not_whole_is_the_users_to_mend(
    object_: str,
    content: bytes | None,
    project: Project,
    store: Callable[..., str],
    open_run: Opening,
) -> None:
    git_folder = project.repository / ".git"
    name = git(project.repository, "rev-parse", object_).strip()
    file = git_folder / "objects" / name[:2] / name[2:]
    whole = file.read_bytes()
    run_id = store(project)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    told = ""
    for _ in range(2):
        with pytest.raises(RepositoryError, match="cannot be checked out") as caught:
            open_run(run_id)
        assert (caught.value.field, caught.value.exit_code) == ("repo", 2)
        told = caught.value.hint or ""
    file.unlink(missing_ok=True)
    file.write_bytes(whole)
    if content is not None:  # the copy of what was damaged stays, as the hint says
        shutil.rmtree(told.rpartition(", ")[2])
    assert (open_run(run_id).workspace.path / "README.md").read_text() == "hello\n"


def test_a_run_whose_workspace_cannot_be_made_is_given_back(
    run_id: str, open_run: Opening, database: Database, settings: Settings
) -> None:
    (settings.home / "repositories").write_text("in the way")
    with pytest.raises(OSError, match="repositories"):
        open_run(run_id)
    assert holder_of(database, run_id) is None
    with pytest.raises(Refused):
        held(run_id)


def test_a_dead_run_that_cannot_be_taken_over_is_left_to_be_resumed(
    run_id: str, open_run: Opening, database: Database, settings: Settings
) -> None:
    close_session(open_run(run_id))
    acquire(database, run_id, replace(Holder.of_this_process(), started=-100.0), 45)
    shutil.rmtree(find_folder(settings.home, database, run_id) / "work")
    clones = settings.home / "repositories"
    elsewhere = clones.rename(settings.home / "elsewhere")
    clones.write_text("in the way")
    with pytest.raises(OSError, match=clones.name):
        open_run(run_id)
    assert abandoned_runs(database) == [run_id]
    clones.unlink()
    elsewhere.rename(clones)
    assert open_run(run_id).run().state is RunState.PHASE_EXECUTION


def test_the_checkout_of_a_holder_that_died_is_taken_over(
    run_id: str, open_run: Opening, database: Database
) -> None:
    session = open_run(run_id)
    (session.workspace.path / "node_modules").mkdir()
    path = session.workspace.path
    close_session(session)
    gone = replace(Holder.of_this_process(), started=-100.0)
    acquire(database, run_id, gone, 45)
    assert open_run(run_id).workspace.path == path


def test_a_holder_that_only_fell_silent_keeps_its_checkout(
    run_id: str, open_run: Opening, database: Database
) -> None:
    session = open_run(run_id)
    path = session.workspace.path
    close_session(session)
    acquire(database, run_id, replace(Holder.of_this_process(), host="elsewhere"), 45)
    fall_silent(database)
    assert open_run(run_id).workspace.path != path


@pytest.fixture
def leave() -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts a process of run `r` of a database, which outlives whoever started it."""
    left: list[subprocess.Popen[bytes]] = []

    def leaving(store: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"],
            env={**os.environ, **run_marks("r", store)},
            start_new_session=True,
        )
        left.append(process)
        return process

    yield leaving
    for process in left:
        process.kill()
        process.wait()


def test_what_a_dead_holder_left_running_is_ended(
    run_id: str,
    open_run: Opening,
    database: Database,
    leave: Callable[[str], subprocess.Popen[bytes]],
) -> None:
    ours, of_another_database = leave(database.mark), leave("elsewhere")
    open_run(run_id)
    assert ours.wait(10) != 0
    assert of_another_database.poll() is None


async def test_a_built_attempt_is_found_again_and_an_open_one_is_not(
    run_id: str, open_run: Opening, database: Database
) -> None:
    session = open_run(run_id)
    session.environment = await prepare_environment(session)
    started = begun(session, "one")
    await steps.build(session, started.key)
    close_session(session)

    again = open_run(run_id)
    again.environment = await prepare_environment(again)
    assert begun(again, "one").state is AttemptState.BUILT

    assert [attempt.state for attempt in get_attempts(database, run_id)] == [AttemptState.BUILT]


def test_the_toolchains_are_those_of_the_base_commit(
    run_id: str, open_run: Opening, database: Database
) -> None:
    session = open_run(run_id)
    assert session.toolchains == ()
    (session.workspace.path / "package.json").write_text('{"scripts": {"test": "false"}}')
    close_session(session)
    assert get_run(database, run_id).toolchains == []
    assert open_run(run_id).toolchains == ()


def test_nothing_can_be_started_before_the_environment_is_there(
    run_id: str, open_run: Opening
) -> None:
    with pytest.raises(Refused, match="not prepared"):
        _ = open_run(run_id).tools


# minutes of the run, minutes of the phase, seconds worked, seconds left for the next step
@pytest.mark.parametrize(
    ("run_minutes", "phase_minutes", "worked", "left"),
    [
        (120, None, 0, 7200),
        (120, None, 60, 7140),
        # the smaller of the two
        (120, 1, 0, 60),
        (1, 5, 0, 60),
        # never nothing: a timeout of zero would mean none
        (1, None, 60, 0.001),
        (1, None, 600, 0.001),
    ],
)
def test_how_long_a_step_may_take(
    run_minutes: float,
    phase_minutes: float | None,
    worked: float,
    left: float,
    tmp_path: Path,
    store: Callable[..., str],
    open_run: Opening,
    database: Database,
) -> None:
    project = make_project(
        tmp_path / "p",
        {"one": [[call(1)]]},
        plan={"budget": {"minutes": run_minutes}},
        phase={"budget": {"minutes": phase_minutes}},
    )
    session = open_run(store(project))
    database.transact(
        lambda conn: conn.execute(sa.update(tables.runs).values(elapsed_seconds=worked))
    )
    assert session.seconds_left(session.phase("one")) == pytest.approx(left, abs=5)


def test_working_time_is_kept_when_a_run_is_given_back(
    run_id: str, open_run: Opening, database: Database
) -> None:
    close_session(open_run(run_id))
    first = get_run(database, run_id).elapsed_seconds
    assert first > 0
    close_session(open_run(run_id))
    assert get_run(database, run_id).elapsed_seconds > first


def test_removing_the_checkouts_keeps_what_was_printed_and_committed(
    run_id: str, open_run: Opening
) -> None:
    session = open_run(run_id)
    (session.folder / "spool").mkdir()
    remove_workspace(session.folder, session.workspace, session.mirror.fence)
    assert (session.folder / "spool").is_dir()
    assert not (session.folder / "work").exists()
    assert session.mirror.has(session.run().base_commit)


def test_what_another_user_left_in_a_checkout_does_not_fail_the_run(
    run_id: str, open_run: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_run(run_id)

    def refused(_: Path) -> None:
        raise PermissionError(1, "Operation not permitted", "build/x")

    monkeypatch.setattr("autopack.workspace.workspace.remove_tree", refused)
    remove_workspace(session.folder, session.workspace, session.mirror.fence)
    assert session.workspace.path.exists()


def test_temporary_files_of_a_dead_holders_programs_are_swept_away(
    run_id: str, open_run: Opening, settings: Settings
) -> None:
    left = Scratch.of(settings.run_folder(run_id)).make({})
    assert left is not None
    (left / "library.so").touch()
    open_run(run_id)
    assert not left.exists()
