"""A run whose flow run or process dies goes on in another, as often as that may help."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from support.projects import Project, make_simulated

from autopack.clock import SystemClock
from autopack.model.states import RunState
from autopack.runs.finish.finish import finish
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.reconcile.reconcile import MOST_RECOVERIES
from autopack.runs.session.opening import (
    close_session,
    open_session,
)
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.leases import Holder, abandon, acquire, holder_of
from autopack.store.runs import get_run, list_runs
from autopack.store.tables import leases, runs

pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_simulated(tmp_path, {"success": 1, "calls": 2, "seconds": 2})


@pytest.fixture
def settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    # Other tests had workers on this server, which seem to be there for a while.
    monkeypatch.setenv("AUTOPACK_DEPLOYMENT", "nobodys")
    return Settings.from_environment()


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    database = Database.open(settings.database_url)
    yield database
    database.close()


@pytest.fixture
def run_id(project: Project, settings: Settings, db: Database) -> str:
    """A stored run that nobody has worked on, of a name that no earlier test told Prefect."""
    request = RunRequest(
        plan=str(project.plan),
        repo=str(project.repository),
        builder="simulated",
        builder_options={"spec": str(project.recording)},
        run_id=f"stored-{secrets.token_hex(4)}",
    )
    return prepare_run(request, db=db, settings=settings, clock=SystemClock()).run_id


def fall_silent(db: Database, run_id: str) -> None:
    """Leave the run as a holder that died long ago leaves it."""
    acquire(db, run_id, Holder("another-host", "its-boot", 1, 1.0, "1-0"), 45)

    def write(conn: sa.Connection) -> None:
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        conn.execute(sa.update(leases).values(expires_at=long_ago))
        conn.execute(sa.update(runs).values(state=RunState.PHASE_EXECUTION))

    db.transact(write)


async def flow_run_in(state: Any, run_id: str, **parameters: Any) -> Any:
    """A flow run of `execute_run` in that state."""
    from prefect import get_client

    from flows import execute_run

    async with get_client() as client:
        created = await client.create_flow_run(
            execute_run, name=run_id, parameters={"run_id": run_id} | parameters
        )
        await client.set_flow_run_state(created.id, state, force=True)
    return created.id


async def state_of(flow_run_id: Any) -> str:
    from prefect import get_client

    async with get_client() as client:
        state = (await client.read_flow_run(flow_run_id)).state
    assert state is not None
    return state.name or ""


async def test_a_waiter_is_told_of_a_flow_run_that_ended_without_its_run(
    db: Database, run_id: str
) -> None:
    from prefect.states import Crashed

    from flows.run_watch import RunWatch
    from flows.waiting import wait_for_end

    crashed = await flow_run_in(Crashed(message="killed"), run_id)
    ended = await wait_for_end(run_id, crashed, watch=RunWatch(db), clock=SystemClock())
    assert ended is not None
    assert (ended.name, ended.message) == ("Crashed", "killed")


async def test_those_who_find_it_dead_note_that_and_who_takes_it_counts(
    db: Database, settings: Settings, run_id: str
) -> None:
    from prefect.states import Crashed

    from flows.waiting import may_resume

    for _ in range(2):
        assert await may_resume(run_id, Crashed(), seen=0, db=db, settings=settings)
    run = get_run(db, run_id)
    assert (run.recoveries, run.recovery_tries) == (0, 2)


async def test_a_run_that_dies_again_and_again_is_closed(
    db: Database, settings: Settings, run_id: str
) -> None:
    from prefect.states import Crashed

    from flows.waiting import may_resume

    resumed: list[bool] = []
    for seen in range(MOST_RECOVERIES + 1):
        resumed.append(await may_resume(run_id, Crashed(), seen=seen, db=db, settings=settings))
        taken = {"recoveries": seen + 1}
        db.transact(lambda conn, taken=taken: conn.execute(sa.update(runs).values(taken)))
    assert resumed == [True] * MOST_RECOVERIES + [False]
    run = get_run(db, run_id)
    assert run.state is RunState.DONE_FAILED_ENVIRONMENT
    assert "4 times" in (run.failure_reason or "")


async def test_after_a_fault_goes_on_what_was_left_under_way(
    db: Database, settings: Settings, run_id: str
) -> None:
    from prefect.states import Failed

    from flows.waiting import may_resume

    assert not await may_resume(run_id, Failed(), seen=0, db=db, settings=settings), (
        "it was refused before it began"
    )
    fall_silent(db, run_id)
    assert await may_resume(run_id, Failed(), seen=0, db=db, settings=settings)


async def test_a_flow_run_that_died_before_it_took_its_run_is_marked(
    db: Database, settings: Settings, run_id: str
) -> None:
    from prefect import flow
    from prefect.states import Pending, Running

    from tasks.reconciling import mark_lost_flow_runs

    pending = await flow_run_in(Pending(), run_id)
    running = await flow_run_in(Running(), run_id)
    preparing = await flow_run_in(Running(), "not-stored-yet", plan="plan.yaml")
    patient = Settings(settings.home, settings.database_url, lease_seconds=1000)
    hasty = Settings(settings.home, settings.database_url, lease_seconds=0.001)

    @flow
    async def look(with_settings: Settings) -> int:
        return (await mark_lost_flow_runs(db, with_settings)).crashed

    assert await look(patient) == 0, "they may just be starting"
    assert await look(hasty) == 2
    assert [await state_of(one) for one in (pending, running, preparing)] == [
        "Crashed",
        "Crashed",
        "Running",
    ]


async def test_a_flow_run_whose_run_is_being_taken_over_is_not_marked(
    db: Database, settings: Settings, run_id: str
) -> None:
    from prefect.states import Running

    from tasks.reconciling import mark_lost_flow_runs

    await flow_run_in(Running(), run_id)
    acquire(db, run_id, Holder.of_this_process(), 45)
    hasty = Settings(settings.home, settings.database_url, lease_seconds=0.001)
    assert (await mark_lost_flow_runs.fn(db, hasty)).crashed == 0, "it clones, which takes long"


async def test_a_flow_run_that_ended_before_it_took_its_run_is_followed_by_another(
    db: Database, run_id: str
) -> None:
    from prefect import get_client
    from prefect.states import Cancelled

    from flows import execute_run
    from flows.executors import submit

    async with get_client() as client:
        await client.create_deployment(await client.create_flow(execute_run), name="run")
        first = await submit(run_id, "execute-run/run", db=db)
        assert (await submit(run_id, "execute-run/run", db=db)).id == first.id
        await client.set_flow_run_state(first.id, Cancelled(), force=True)
        second = await submit(run_id, "execute-run/run", db=db)
        assert second.id != first.id
        assert (await submit(run_id, "execute-run/run", db=db)).id == second.id


async def test_a_run_that_somebody_works_on_is_waited_for(
    db: Database, settings: Settings, run_id: str
) -> None:
    from flows.executors import Execution, execute_stored

    session = open_session(run_id, db=db, settings=settings, clock=SystemClock())
    waiting = asyncio.create_task(execute_stored(run_id, Execution("process", None, db, settings)))
    await asyncio.sleep(1.5)
    assert not waiting.done()
    finish(session, RunState.DONE_CANCELLED, "by its holder")
    close_session(session)
    await waiting
    assert not (settings.run_folder(run_id) / "process.log").exists(), "nobody else was needed"


async def test_a_retried_flow_run_goes_on_with_the_run_that_it_prepared(
    db: Database, project: Project
) -> None:
    from prefect import get_client
    from prefect.flow_engine import run_flow_async
    from prefect.states import AwaitingRetry

    from flows import execute_run

    parameters = {
        "plan": str(project.plan),
        "repo": str(project.repository),
        "builder": "simulated",
        "builder_options": f"spec={project.recording}",
    }
    async with get_client() as client:
        created = await client.create_flow_run(execute_run, parameters=parameters)
        first = await run_flow_async(execute_run, flow_run=created, parameters=parameters)
        # Another flow run went on with it.
        db.transact(lambda conn: conn.execute(sa.update(runs).values(flow_run_id="another")))
        await client.set_flow_run_state(created.id, AwaitingRetry(), force=True)
        again = await client.read_flow_run(created.id)
        second = await run_flow_async(execute_run, flow_run=again, parameters=parameters)
    assert second["run_id"] == first["run_id"]  # pyright: ignore[reportIndexIssue]
    assert len(list_runs(db).rows) == 1


async def test_reconciling_counts_what_it_begins_and_no_more(
    db: Database, settings: Settings, run_id: str
) -> None:
    from flows import reconcile

    fall_silent(db, run_id)
    session = open_session(run_id, db=db, settings=settings, clock=SystemClock())
    assert (await reconcile())["resumed_runs"] == 0
    close_session(session, release_lease=False)
    abandon(db, session.lease)
    assert (await reconcile())["resumed_runs"] == 1
    run = get_run(db, run_id)
    assert (run.state, run.recoveries) == (RunState.DONE_SUCCESS, 1)


async def test_reconciling_looks_after_the_runs_of_a_database_that_a_block_names(
    db: Database, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blocks.database import AutopackDatabase
    from flows import maintain, reconcile

    fall_silent(db, run_id)
    name = f"named-{secrets.token_hex(4)}"
    await AutopackDatabase(url=SecretStr(os.environ["DATABASE_URL"])).save(name)  # pyright: ignore[reportGeneralTypeIssues]
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'another.db'}")
    assert (await reconcile())["resumed_runs"] == 0
    assert (await reconcile(database=name))["resumed_runs"] == 1
    assert get_run(db, run_id).state is RunState.DONE_SUCCESS
    assert (await maintain(database=name))["drift"] == 0


async def test_reconciling_leaves_a_run_that_waits_for_a_worker(
    db: Database, settings: Settings, run_id: str
) -> None:
    from prefect import flow, get_client
    from prefect.states import Cancelled, Scheduled

    from tasks.reconciling import find_abandoned

    @flow
    async def look() -> list[str]:
        return await find_abandoned(db)

    fall_silent(db, run_id)
    await flow_run_in(Cancelled(), run_id)
    waiting = await flow_run_in(Scheduled(), run_id)
    assert await look() == []
    async with get_client() as client:
        await client.set_flow_run_state(waiting, Cancelled(), force=True)
    assert await look() == [run_id]


async def test_a_campaign_whose_process_died_goes_on_a_few_times(home: Path) -> None:
    from prefect import flow, get_client
    from prefect.states import Cancelled, Crashed, Running

    from flows import execute_runs
    from tasks.reconciling import resume_campaigns

    @flow
    async def look() -> int:
        return await resume_campaigns()

    async with get_client() as client:
        deployment = await client.create_deployment(
            await client.create_flow(execute_runs), name="fleet"
        )
        died, unwanted = [
            (await client.create_flow_run_from_deployment(deployment)).id for _ in range(2)
        ]
        await client.set_flow_run_state(unwanted, Cancelled(), force=True)
        for _ in range(MOST_RECOVERIES):
            await client.set_flow_run_state(died, Running(), force=True)
            await client.set_flow_run_state(died, Crashed(), force=True)
            assert await look() == 1
            assert await state_of(died) == "AwaitingRetry"
        await client.set_flow_run_state(died, Running(), force=True)
        await client.set_flow_run_state(died, Crashed(), force=True)
        assert await look() == 0
        assert await state_of(unwanted) == "Cancelled"


@pytest.mark.slow
async def test_a_run_whose_process_is_killed_goes_on_in_another(
    db: Database, settings: Settings, run_id: str
) -> None:
    from flows.executors import Execution, execute_stored

    def kill_its_first_process() -> None:
        while (holder := holder_of(db, run_id)) is None:
            time.sleep(0.1)
        time.sleep(0.5)
        psutil.Process(holder.pid).kill()

    killing = asyncio.create_task(asyncio.to_thread(kill_its_first_process))
    await execute_stored(run_id, Execution("process", None, db, settings))
    await killing
    run = get_run(db, run_id)
    assert (run.state, run.recoveries) == (RunState.DONE_SUCCESS, 1)
