"""Runs whose JSON the contract speaks of, made without an engine."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.projects import Project, call, make_project

from autopack.clock import SystemClock
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.finish.finish import finish
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.session.session import RunSession, close_session, open_session
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.runs import get_ending
from deployments.cli import run_command

SPLIT = {
    "call": {
        "provider": "anthropic",
        "model": "claude-sonnet-4-5",
        "input": 900,
        "cache_read": 50,
        "cache_write": 30,
        "output": 120,
    }
}


@dataclass(frozen=True)
class Answer:
    """What a command line answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout, which must be exactly one line of exactly one JSON object."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        answer = json.loads(self.out)
        assert isinstance(answer, dict)
        return answer


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A fresh home with SQLite, and no Prefect server configured."""
    return _settings(tmp_path, monkeypatch)


def _settings(folder: Path, patch: pytest.MonkeyPatch) -> Settings:
    patch.setenv("AUTOPACK_HOME", str(folder / "home"))
    patch.setenv("DATABASE_URL", f"sqlite:///{folder / 'autopack.db'}")
    patch.setenv("PREFECT_PROFILES_PATH", str(folder / "profiles.toml"))
    patch.delenv("PREFECT_API_URL", raising=False)
    return Settings.from_environment()


@pytest.fixture
def autopack(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Runs a command line in this process."""

    def run(*argv: str) -> Answer:
        capsys.readouterr()
        code = run_command(argv)
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return run


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A plan of two phases: one succeeds, the second fails its checks once too often."""
    return _make(tmp_path / "project")


def _make(folder: Path) -> Project:
    phases = {"one": [[SPLIT, {"files": {"a": "1"}}]], "two": [[call(7), {"files": {"b": "1"}}]]}
    made = make_project(
        folder, phases, phase={"validate": ["test ! -e b"], "budget": {"attempts": 1}}
    )
    (made.repository / "package.json").write_text('{"name": "x", "scripts": {"test": "true"}}')
    return made


@pytest.fixture
def stored_run(project: Project, settings: Settings) -> str:
    """The id of a run that nobody has executed yet."""
    db = Database.open(settings.database_url)
    _store(project, "stored", db, settings)
    db.close()
    return "stored"


@pytest.fixture(scope="session")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the home and the database of a run that failed, to copy."""
    folder = tmp_path_factory.mktemp("failed")
    with pytest.MonkeyPatch.context() as patch:
        settings = _settings(folder, patch)
        _fail(_make(folder / "project"), settings)
    return folder


@pytest.fixture
def failed_run(failed: Path, settings: Settings, tmp_path: Path) -> str:
    """The id of a run that completed a phase and failed at the next."""
    shutil.copytree(failed / "home", settings.home, dirs_exist_ok=True)
    shutil.copy(failed / "autopack.db", tmp_path / "autopack.db")
    return "failed"


def _fail(project: Project, settings: Settings) -> None:
    db = Database.open(settings.database_url)
    _store(project, "failed", db, settings)
    session = open_session("failed", db=db, settings=settings, clock=SystemClock())
    try:
        asyncio.run(_execute(session))
        state, reason = get_ending(db, "failed") or pytest.fail("the run did not fail")
        finish(session, state, reason)
    finally:
        close_session(session)
        db.close()


def _store(project: Project, run_id: str, db: Database, settings: Settings) -> None:
    request = RunRequest(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options={"recording": str(project.recording)},
        run_id=run_id,
    )
    prepare_run(request, db=db, settings=settings, clock=SystemClock())


async def _execute(session: RunSession) -> None:
    session.environment = await prepare_environment(session)
    for phase in session.plan.ordered():
        steps.begin(session, phase.id)
        await steps.build(session, phase.id, 1)
        failure = await steps.validate(session, phase.id, 1)
        steps.conclude(session, phase.id, 1, failure)
