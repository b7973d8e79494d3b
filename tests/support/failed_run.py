"""A run that failed, made without an engine: what commands answer about it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from autopack.clock import SystemClock
from autopack.model.ids import AttemptKey
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.finish.finish import finish
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.session.opening import close_session, open_session
from autopack.runs.session.session import RunSession
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.runs import get_ending
from support.projects import Project, call, make_project
from support.runs import conclude

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


def home_in(folder: Path, patch: pytest.MonkeyPatch) -> Settings:
    """Return the settings of a fresh home with SQLite, and no Prefect server configured."""
    patch.setenv("AUTOPACK_HOME", str(folder / "home"))
    patch.setenv("DATABASE_URL", f"sqlite:///{folder / 'autopack.db'}")
    patch.setenv("PREFECT_PROFILES_PATH", str(folder / "profiles.toml"))
    patch.delenv("PREFECT_API_URL", raising=False)
    return Settings.from_environment()


def make(folder: Path) -> Project:
    """Return a plan of two phases: one succeeds, the second fails its checks once too often."""
    phases = {"one": [[SPLIT, {"files": {"a": "1"}}]], "two": [[call(7), {"files": {"b": "1"}}]]}
    made = make_project(
        folder, phases, phase={"validate": ["test ! -e b"], "budget": {"attempts": 1}}
    )
    (made.repository / "package.json").write_text('{"name": "x", "scripts": {"test": "true"}}')
    return made


def fail(project: Project, settings: Settings) -> None:
    """Carry out the run ``failed`` of ``project`` to its end, without an engine."""
    fail_as(request_of(project, "failed"), settings)


def fail_as(request: RunRequest, settings: Settings) -> None:
    """Carry out the requested run to its end, which has to be a failure, without an engine."""
    db = Database.open(settings.database_url)
    run_id = prepare_run(request, db=db, settings=settings, clock=SystemClock()).run_id
    session = open_session(run_id, db=db, settings=settings, clock=SystemClock())
    try:
        asyncio.run(_execute(session))
        state, reason = get_ending(db, run_id) or pytest.fail("the run did not fail")
        finish(session, state, reason)
    finally:
        close_session(session)
        db.close()


def store(project: Project, run_id: str, db: Database, settings: Settings) -> None:
    """Store a run that nobody has executed yet."""
    prepare_run(request_of(project, run_id), db=db, settings=settings, clock=SystemClock())


def request_of(project: Project, run_id: str) -> RunRequest:
    """Return the request for a run of ``project`` with its recording."""
    return RunRequest(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options={"recording": str(project.recording)},
        run_id=run_id,
    )


async def _execute(session: RunSession) -> None:
    session.environment = await prepare_environment(session)
    for phase in session.plan.ordered():
        steps.begin(session, phase.id)
        await steps.build(session, AttemptKey(session.run_id, phase.id, 1))
        failure = await steps.validate(session, AttemptKey(session.run_id, phase.id, 1))
        conclude(session, phase.id, 1, failure)
