"""How often, and when, a run is resumed for a holder that died; and runs that nobody ever took."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.attempts import begun
from support.projects import Project, call, make_project
from support.runs import conclude

from autopack.model.causes import Failure, FailureCause
from autopack.model.errors import RepositoryError
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.reconcile.reconcile import (
    MOST_RECOVERIES,
    abandoned_here,
    claim_recovery,
    seconds_until_due,
)
from autopack.runs.session.opening import (
    close_session,
)
from autopack.runs.session.session import (
    RunSession,
)
from autopack.settings import Settings
from autopack.store import Database
from autopack.store.holders import Holder
from autopack.store.leases import acquire
from autopack.store.runs import get_run
from autopack.store.tables import leases, runs

Opening = Callable[[str], RunSession]
ME = Holder.of_this_process()
GONE = replace(ME, started=-100.0)
ELSEWHERE = replace(ME, host="elsewhere")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    phases = {name: [[call(5)]] * 3 for name in ("one", "two")}
    return make_project(tmp_path / "project", phases)


@pytest.fixture
def preempt(database: Database, open_run: Opening) -> Callable[[], RunSession]:
    """Kills the holder of the run and resumes it as reconciling does."""

    def preempting() -> RunSession:
        with database.read() as conn:
            token = conn.scalar(sa.select(leases.c.token))
        if not token:
            acquire(database, "r", GONE, 45)
        killed = GONE.to_json()
        database.transact(lambda conn: conn.execute(sa.update(leases).values(holder=killed)))
        assert claim_recovery(database, "r", seen=get_run(database, "r").recoveries)
        return open_run("r")

    return preempting


def attempt(session: RunSession, phase_id: str, failure: Failure | None = None) -> None:
    async def work() -> None:
        session.environment = await prepare_environment(session)
        started = begun(session, phase_id)
        await steps.build(session, started.key)
        conclude(session, phase_id, started.attempt, failure)

    asyncio.run(work())


def may_be_resumed(database: Database) -> bool:
    return claim_recovery(database, "r", seen=get_run(database, "r").recoveries)


def test_a_run_is_resumed_three_times_without_progress(
    store: Callable[..., str],
    project: Project,
    preempt: Callable[[], RunSession],
    database: Database,
) -> None:
    store(project)
    for _ in range(MOST_RECOVERIES):
        preempt()
    assert not may_be_resumed(database)


@pytest.mark.parametrize(
    "failure", [None, Failure(FailureCause.VALIDATION_FAILED, "no")], ids=["passed", "failed"]
)
def test_an_attempt_that_ended_is_progress(
    store: Callable[..., str],
    project: Project,
    preempt: Callable[[], RunSession],
    database: Database,
    failure: Failure | None,
) -> None:
    store(project)
    for _ in range(MOST_RECOVERIES):
        session = preempt()
    attempt(session, "one", failure)  # pyright: ignore[reportPossiblyUnboundVariable]
    for _ in range(MOST_RECOVERIES):
        preempt()
    assert get_run(database, "r").recoveries == 2 * MOST_RECOVERIES
    assert not may_be_resumed(database)


def test_tries_that_never_took_over_do_not_count(
    store: Callable[..., str],
    project: Project,
    open_run: Opening,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    acquire(database, store(project), GONE, 45)

    def unreachable(*_: object) -> None:
        raise RepositoryError("the remote does not answer", field="repo")

    with monkeypatch.context() as patch:
        patch.setattr("autopack.runs.session.opening.fetch_missing", unreachable)
        for _ in range(3 * MOST_RECOVERIES):
            assert may_be_resumed(database)
            with pytest.raises(RepositoryError):
                open_run("r")
    assert may_be_resumed(database)
    open_run("r")
    run = get_run(database, "r")
    assert (run.recoveries, run.recovery_tries) == (1, 0)


def test_a_person_who_resumes_is_not_counted(
    store: Callable[..., str], project: Project, open_run: Opening, database: Database
) -> None:
    acquire(database, store(project), GONE, 45)
    open_run("r")
    assert get_run(database, "r").recoveries == 0


@pytest.mark.parametrize(
    ("before", "pause"),
    [
        ({}, 0.0),
        ({"recovery_tries": 1}, 45.0),
        ({"recoveries": 1}, 45.0),
        ({"recoveries": 1, "recovery_tries": 2}, 180.0),
        ({"recoveries": 7, "recoveries_at_progress": 7}, 0.0),  # progress since
        ({"recovery_tries": 500}, 3600.0),
    ],
)
def test_every_try_is_waited_for_longer(
    store: Callable[..., str],
    project: Project,
    database: Database,
    before: dict[str, int],
    pause: float,
) -> None:
    store(project)

    def tried(ago: float) -> float:
        with database.read() as conn:
            at = database.now(conn) - timedelta(seconds=ago)
        values = {**before, "recovery_tried_at": at}
        database.transact(lambda conn: conn.execute(sa.update(runs).values(values)))
        return seconds_until_due(database, "r", 45)

    assert tried(0) == pytest.approx(pause, abs=5)
    assert tried(pause / 2) == pytest.approx(pause / 2, abs=5)
    assert tried(pause) == 0
    assert tried(-86_400) == pause, "the clock was set back meanwhile"


def age(database: Database, seconds: float) -> None:
    with database.read() as conn:
        at = database.now(conn) - timedelta(seconds=seconds)
    database.transact(lambda conn: conn.execute(sa.update(runs).values(created_at=at)))


def expire(database: Database) -> None:
    with database.read() as conn:
        at = database.now(conn) - timedelta(seconds=1)
    database.transact(lambda conn: conn.execute(sa.update(leases).values(expires_at=at)))


@pytest.mark.parametrize(
    ("starter", "expired", "abandoned"),
    [
        (ME, False, False),
        (ME, True, False),  # it waits for its turn
        (GONE, False, True),
        (ELSEWHERE, False, False),
        (ELSEWHERE, True, True),  # nobody here can tell whether it lives
    ],
)
def test_a_new_run_is_abandoned_with_the_process_that_stored_it(
    store: Callable[..., str],
    project: Project,
    open_run: Opening,
    database: Database,
    starter: Holder,
    expired: bool,
    abandoned: bool,
) -> None:
    store(project, starter=starter)
    if expired:
        expire(database)
    assert abandoned_here(database) == (["r"] if abandoned else [])
    session = open_run("r")  # whoever stored it, anybody may take it
    assert session.lease.token == 1
    assert abandoned_here(database) == []
    close_session(session)
    assert abandoned_here(database) == []


@pytest.mark.parametrize(
    ("seconds", "campaign", "abandoned"),
    [(440, None, False), (460, None, True), (86_400, "c", False)],
)
def test_a_new_run_of_unknown_origin_is_abandoned_after_ten_leases(
    store: Callable[..., str],
    project: Project,
    database: Database,
    seconds: float,
    campaign: str | None,
    abandoned: bool,
) -> None:
    store(project)
    values = {"campaign_id": campaign}
    database.transact(lambda conn: conn.execute(sa.update(runs).values(values)))
    age(database, seconds)
    assert abandoned_here(database) == (["r"] if abandoned else [])


_STORE_AND_DIE = """
import os, sys
from pathlib import Path
from autopack.clock import SystemClock
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.holders import Holder
plan, repository, recording, home, url = sys.argv[1:]
prepare_run(
    RunRequest(plan=plan, repo=repository, builder_options={"recording": recording}, run_id="r"),
    db=Database.open(url), settings=Settings(Path(home), url), clock=SystemClock(),
    starter=Holder.of_this_process(),
)
os.kill(os.getpid(), 9)
"""


def test_a_process_that_dies_between_storing_and_taking_a_run_loses_nothing(
    project: Project, settings: Settings, database: Database, open_run: Opening
) -> None:
    words = (project.plan, project.repository, project.recording, settings.home)
    died = subprocess.run(
        [sys.executable, "-c", _STORE_AND_DIE, *map(str, words), settings.database_url],
        check=False,
    )
    assert died.returncode == -9
    assert abandoned_here(database) == ["r"]
    assert may_be_resumed(database)
    assert open_run("r").lease.token == 1
