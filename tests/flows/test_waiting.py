"""Waiting for a run at a worker: how often its flow run is asked about, and what ends the wait."""

from __future__ import annotations

import asyncio
import time
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from support.projects import make_simulated

from autopack.clock import SystemClock
from autopack.settings import Settings
from autopack.store.database.engine import Database

# What differs between the engines is tested with the store.
one_engine = pytest.mark.parametrize("engine_name", ["sqlite"])


async def test_polls_back_off_from_2_to_30_seconds() -> None:
    from flows.waiting import poll_pauses

    pauses = list(islice(poll_pauses(lambda low, high: 1.0), 10))
    assert pauses[:3] == [2.0, 3.0, 4.5]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30.0


@pytest.mark.parametrize(("end", "first", "last"), [(0, 1.6, 24.0), (1, 2.4, 36.0)])
async def test_polls_have_a_jitter_of_20_percent(end: int, first: float, last: float) -> None:
    from flows.waiting import poll_pauses

    pauses = list(islice(poll_pauses(lambda *bounds: bounds[end]), 10))
    assert (pauses[0], pauses[-1]) == (pytest.approx(first), pytest.approx(last))


@pytest.fixture
async def stored(home: Path, tmp_path: Path) -> Database:
    """A database with a run called `r` that nobody has begun."""
    from flows.parameters import Asked
    from tasks.preparing import prepare_run

    project = make_simulated(tmp_path, {"success": 1, "calls": 1})
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    asked = Asked(
        plan=str(project.plan),
        repo=str(project.repository),
        builder="simulated",
        builder_options=f"spec={project.recording}",
        run_id="r",
    )
    await prepare_run.fn(await asked.request(db, settings), db, settings)
    return db


async def wait(db: Database, flow_run_id: UUID) -> Any:
    """Wait as a fleet does, inside a flow, since that is where warnings go."""
    from prefect import flow

    from flows.waiting import wait_for_end

    ended: list[Any] = []

    @flow(name="waits", persist_result=False)
    async def waits() -> None:
        ended.append(await wait_for_end("r", flow_run_id, db=db, clock=SystemClock()))

    await waits()
    return ended[0]


@one_engine
async def test_the_end_of_a_run_is_seen_within_two_seconds(stored: Database) -> None:
    from flows import execute_run

    ended = 0.0

    async def work() -> None:
        nonlocal ended
        await asyncio.sleep(6)
        await execute_run(run_id="r")
        ended = time.monotonic()

    # A flow run that no server knows: polls of it fail, and are made again.
    await asyncio.gather(wait(stored, uuid4()), work())
    assert time.monotonic() - ended < 2.0


@one_engine
async def test_a_flow_run_that_ended_without_the_run_ends_the_wait(stored: Database) -> None:
    from prefect import flow, get_client
    from prefect.states import Crashed

    @flow(name="dies", persist_result=False)
    async def dies() -> Any:
        return Crashed(message="the machine is gone")

    state: Any = await dies(return_state=True)
    async with get_client() as client:
        flow_run = await client.read_flow_run(state.state_details.flow_run_id)
    ended = await wait(stored, flow_run.id)
    assert (ended.type, ended.message) == ("CRASHED", "the machine is gone")
