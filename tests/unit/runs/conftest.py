"""A stored run of two phases that this process holds, with the mirror it is built in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from support.building import made
from support.projects import Project, call, make_project

from autopack.agents.protocol import BuildResult, BuildStatus
from autopack.clock import SystemClock
from autopack.model.states import PhaseState
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.session.opening import (
    close_session,
    open_session,
)
from autopack.runs.session.session import (
    RunSession,
)
from autopack.runs.spools.spool import spool_folder, write_end
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.folder_note import claim_folder
from autopack.store.leases import Holder, Lease, acquire
from autopack.store.runs import (
    AttemptRow,
    PhaseRow,
    RunRow,
    get_attempts,
    get_phases,
    get_run,
    move_phase,
    start_attempt,
)
from autopack.testing.script import ScriptBuilder
from autopack.workspace.mirror import Mirror
from autopack.workspace.source import SourceRepository
from autopack.workspace.workspace import Workspace


@pytest.fixture
def engine_name() -> str:
    """SQLite alone: what differs between the engines is tested with the store."""
    return "sqlite"


@pytest.fixture
def settings(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    home = tmp_path / "home"
    monkeypatch.setenv("AUTOPACK_HOME", str(home))
    home.mkdir()
    return Settings(home, database_url)


@pytest.fixture
def store(database: Database, settings: Settings) -> Callable[..., str]:
    """Stores a run of a project and returns its id."""

    def storing(
        project: Project,
        run_id: str = "r",
        *,
        starter: Holder | None = None,
        options: dict[str, str] | None = None,
        **more: Any,
    ) -> str:
        request = RunRequest(
            plan=str(project.plan),
            repo=str(project.repository),
            builder_options=options or {"recording": str(project.recording)},
            run_id=run_id,
            **more,
        )
        return prepare_run(
            request, db=database, settings=settings, clock=SystemClock(), starter=starter
        ).run_id

    return storing


@pytest.fixture
def open_run(database: Database, settings: Settings) -> Iterator[Callable[[str], RunSession]]:
    """Takes a run over in this process; given back at the end."""
    opened: list[RunSession] = []

    def opening(run_id: str) -> RunSession:
        session = open_session(run_id, db=database, settings=settings, clock=SystemClock())
        opened.append(session)
        return session

    yield opening
    for session in opened:
        close_session(session)


@dataclass(frozen=True)
class Ground:
    """What a process has in hand when it takes over run ``r`` of the phases ``one``, ``two``."""

    db: Database
    settings: Settings
    lease: Lease
    mirror: Mirror
    builder: ScriptBuilder

    def builder_of(self, attempt: AttemptRow) -> ScriptBuilder:
        del attempt
        return self.builder

    @property
    def run(self) -> RunRow:
        return get_run(self.db, "r")

    @property
    def folder(self) -> Path:
        return claim_folder(self.settings.home, self.db, "r")

    def phase(self, phase_id: str = "one") -> PhaseRow:
        return next(row for row in get_phases(self.db, "r") if row.phase_id == phase_id)

    def attempts(self, phase_id: str = "one") -> list[AttemptRow]:
        return get_attempts(self.db, "r", phase_id)

    def start(self, phase_id: str = "one") -> AttemptRow:
        """Start an attempt, as a process does that is killed later."""

        def write(conn: Connection) -> AttemptRow:
            if self.phase(phase_id).state is PhaseState.QUEUED:
                move_phase(conn, self.lease, phase_id, PhaseState.EXECUTING)
            return start_attempt(
                conn,
                self.lease,
                phase_id,
                base_commit=self.run.base_commit,
                builder="script",
                hint=None,
            )

        return self.db.transact(write)

    def spool(self, attempt: AttemptRow) -> Path:
        folder = spool_folder(self.folder, attempt.key)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def note_end(self, attempt: AttemptRow) -> None:
        """Note that the build ended."""
        write_end(self.spool(attempt), BuildResult(BuildStatus.ENDED, 0, "all done"))

    def commit(self, attempt: AttemptRow, **files: str) -> str:
        """Commit the tree that the build left, to the attempt's ref."""
        base = self.run.base_commit
        workspace = Workspace.create(self.mirror, self.folder / "work" / "000001", base)
        for name, text in files.items():
            (workspace.path / name).write_text(text)
        ref = self.mirror.attempt_ref(attempt.key)
        return workspace.snapshot(parent=base, message="m", ref=ref).commit


@pytest.fixture
def ground(
    tmp_path: Path, database: Database, settings: Settings, store: Callable[..., str]
) -> Ground:
    project = make_project(tmp_path / "project", {"one": [[call(1)]], "two": [[call(1)]]})
    run = get_run(database, store(project))
    source = SourceRepository.open(run.repo)
    mirror = Mirror.open(settings.home, source)
    mirror.ensure(run.base_commit, run.run_id)
    lease = acquire(database, run.run_id, Holder.of_this_process(), 45).lease
    return Ground(
        database, settings, lease, mirror, made(ScriptBuilder, recording=str(project.recording))
    )
