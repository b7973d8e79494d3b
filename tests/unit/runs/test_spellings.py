"""A database has many addresses: whoever takes a run over ends the agents that its dead holder
left, however that one had spelt it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from support.projects import call, make_project

from autopack.clock import SystemClock
from autopack.model.states import AttemptState
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.session.opening import (
    close_session,
    open_session,
)
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.runs import get_attempts

AGENT = """import os, sys, time
with open(sys.argv[1] + '.new', 'w') as file:
    file.write(str(os.getpid()))
os.rename(file.name, sys.argv[1])
time.sleep(600)"""

HOLDER = """
import asyncio
from autopack.clock import SystemClock
from autopack.runs.attempt import begin, build
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.session.opening import open_session
from autopack.settings import Settings
from autopack.store.database.engine import Database

async def hold():
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    session = open_session("r", db=db, settings=settings, clock=SystemClock())
    session.environment = await prepare_environment(session)
    await build(session, begin(session, "one").key)

asyncio.run(hold())
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def otherwise(database_url: str, tmp_path: Path) -> str:
    """The same database by a symbolic link: to its file, or to the folder of its socket."""
    url, link = sa.make_url(database_url), tmp_path / "link"
    if url.get_backend_name() == "sqlite":
        link.symlink_to(str(url.database))
        return f"sqlite:///{link}"
    link.symlink_to(str(url.query["host"]))
    return url.update_query_dict({"host": str(link)}).render_as_string(hide_password=False)


@pytest.fixture
def agent(
    settings: Settings, database: Database, otherwise: str, tmp_path: Path
) -> Iterator[psutil.Process]:
    """An agent whose holder was killed; that one knew the database by the other address."""
    project = make_project(tmp_path / "project", {"one": [[call(1)]]})
    pid = tmp_path / "pid"
    request = RunRequest(
        plan=str(project.plan),
        repo=str(project.repository),
        builder="command",
        builder_options={"template": f"{sys.executable} -c {shlex.quote(AGENT)} {pid}"},
        run_id="r",
    )
    prepare_run(request, db=database, settings=settings, clock=SystemClock())
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env=settings_of(settings, otherwise),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not pid.exists():
        assert holder.poll() is None
        time.sleep(0.02)
    found = psutil.Process(int(pid.read_text()))
    holder.kill()
    holder.wait()
    yield found
    for process in (found, *found.children()) if found.is_running() else ():
        process.kill()


def settings_of(settings: Settings, url: str) -> dict[str, str]:
    return {**os.environ, "AUTOPACK_HOME": str(settings.home), "DATABASE_URL": url}


def test_the_agent_of_a_dead_holder_is_ended(
    agent: psutil.Process, settings: Settings, database: Database, otherwise: str
) -> None:
    assert otherwise != settings.database_url
    assert agent.status() != psutil.STATUS_ZOMBIE
    session = open_session("r", db=database, settings=settings, clock=SystemClock())
    try:
        assert not agent.is_running() or agent.status() == psutil.STATUS_ZOMBIE
        assert get_attempts(database, "r")[0].state is AttemptState.INTERRUPTED
    finally:
        close_session(session)
