"""Waiting for many runs: the one that ends is told at once, and one read looks at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from autopack.model.states import RunState
from autopack.store import Database, Holder, leases, runs

RUNS = [f"run-{number}" for number in range(20)]


@pytest.fixture
def reads(database: Database, new_run: Callable[..., runs.NewRun]) -> list[str]:
    """Twenty stored runs, and the queries that were made since."""
    for name in RUNS:
        runs.create_run(database, new_run(run_id=name, branch=f"autopack/{name}"), [("one", "T1")])
    made: list[str] = []
    engine = database._engine  # pyright: ignore[reportPrivateUsage]

    def note(_conn: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith("SELECT runs.run_id"):
            made.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    return made


@pytest.mark.parametrize("state", [RunState.DONE_CANCELLED, RunState.AWAITING_APPROVAL])
async def test_who_waits_for_a_run_that_stops_is_told_and_no_other(
    database: Database, reads: list[str], state: RunState
) -> None:
    from flows import run_watch

    watch, stopped = run_watch.RunWatch(database), list[str]()

    async def wait(name: str) -> None:
        await watch.until_stopped(name, 60)
        stopped.append(name)

    waiting = [asyncio.create_task(wait(name)) for name in RUNS]
    await asyncio.sleep(3 * run_watch.LOOK_SECONDS)
    assert not stopped
    lease = leases.acquire(database, "run-7", Holder.of_this_process(), 45).lease
    database.transact(lambda conn: runs.move_run(conn, lease, RunState.PHASE_EXECUTION))
    database.transact(lambda conn: runs.move_run(conn, lease, state))
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert stopped == ["run-7"]
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_twenty_who_wait_cost_one_read_a_look(
    database: Database, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import run_watch, shared_look

    looks, sleep = 0, asyncio.sleep

    async def counted(seconds: float) -> None:
        nonlocal looks
        looks += seconds == run_watch.LOOK_SECONDS
        await sleep(seconds)

    monkeypatch.setattr(shared_look.asyncio, "sleep", counted)
    watch = run_watch.RunWatch(database)
    await asyncio.gather(*(watch.until_stopped(name, 0.5) for name in RUNS))
    assert 2 <= len(reads) <= looks


async def test_who_waits_again_is_told_too(database: Database, run: runs.RunRow) -> None:
    from flows.run_watch import RunWatch

    watch = RunWatch(database)
    await watch.until_stopped(run.run_id, 0.01)  # and the look that was due finds nobody
    runs.request_cancel(database, run.run_id)
    lease = leases.acquire(database, run.run_id, Holder.of_this_process(), 45).lease
    database.transact(lambda conn: runs.move_run(conn, lease, RunState.DONE_CANCELLED))
    async with asyncio.timeout(30):
        await watch.until_stopped(run.run_id, 60)


async def test_two_may_wait_for_one_run(database: Database, run: runs.RunRow) -> None:
    from flows.run_watch import RunWatch

    watch = RunWatch(database)
    impatient = watch.until_stopped(run.run_id, 0.05)
    patient = asyncio.create_task(watch.until_stopped(run.run_id, 60))
    await impatient
    lease = leases.acquire(database, run.run_id, Holder.of_this_process(), 45).lease
    database.transact(lambda conn: runs.move_run(conn, lease, RunState.DONE_CANCELLED))
    async with asyncio.timeout(30):
        await patient
