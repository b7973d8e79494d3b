"""Waiting for a run at a worker: how often its flow run is asked about, and what ends the wait."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_CSRF_SUPPORT_ENABLED,
    temporary_settings,
)
from support.projects import make_simulated

from autopack.clock import Clock, SystemClock
from autopack.model.errors import WorkFailed
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.holders import Holder
from autopack.store.leases import acquire

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


class Hurrying(SystemClock):
    """A clock on which ten minutes pass between two looks."""

    def __init__(self) -> None:
        self.looks, self.later = 0, asyncio.Event()

    def monotonic(self) -> float:
        self.looks += 1
        if self.looks > 9:
            self.later.set()
        return self.looks * 600.0


@pytest.fixture
def hurrying(monkeypatch: pytest.MonkeyPatch) -> Hurrying:
    from flows import waiting

    monkeypatch.setattr(waiting, "GLANCE_SECONDS", 0.01)
    return Hurrying()


async def wait(db: Database, flow_run_id: UUID, clock: Clock | None = None) -> Any:
    """Wait as a fleet does, inside a flow, since that is where warnings go."""
    from prefect import flow

    from flows.run_watch import RunWatch
    from flows.waiting import wait_for_end

    ended: list[Any] = []

    @flow(name="waits", persist_result=False)
    async def waits() -> None:
        at = clock or SystemClock()
        ended.append(await wait_for_end("r", flow_run_id, watch=RunWatch(db), clock=at))

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


async def flow_run_in(state: Any) -> UUID:
    from prefect import flow, get_client

    @flow(name="lives", persist_result=False)
    async def lives() -> None: ...

    async with get_client() as client:
        return (await client.create_flow_run(lives, state=state)).id


@one_engine
async def test_a_run_that_nobody_works_on_is_given_up_after_an_hour(
    stored: Database, hurrying: Hurrying
) -> None:
    from prefect.states import Running

    with pytest.raises(WorkFailed, match="nobody has worked on run r for an hour"):
        await wait(stored, await flow_run_in(Running()), hurrying)
    assert hurrying.looks > 6


def _hold(db: Database) -> None:
    acquire(db, "r", Holder.of_this_process(), 600)


@one_engine
@pytest.mark.parametrize(
    ("state", "and_then"),
    [
        ("Running", _hold),  # a build of hours, or a pause
        ("Scheduled", None),  # the workers are busy with others
        ("Pending", None),
        ("Paused", None),  # a person is asked
    ],
)
async def test_a_run_that_is_worked_on_or_waits_is_waited_for(
    stored: Database,
    hurrying: Hurrying,
    state: str,
    and_then: Callable[[Database], None] | None,
) -> None:
    from prefect import states

    if and_then is not None:
        and_then(stored)
    flow_run_id = await flow_run_in(getattr(states, state)())
    waiting = asyncio.create_task(wait(stored, flow_run_id, hurrying))
    later = asyncio.create_task(hurrying.later.wait())
    await asyncio.wait({waiting, later}, return_when=asyncio.FIRST_COMPLETED)
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize(
    ("health", "ready", "expected"),
    [
        (200, 200, True),
        (200, 503, False),  # its database restarts: other calls are answered by 500
        (200, 404, True),  # one that has no such question
        (503, 404, False),
        (404, 404, False),  # something else that listens there
    ],
)
async def test_a_server_without_its_database_does_not_answer(
    health: int, ready: int, expected: bool
) -> None:
    from tasks import away

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response({"/api/health": health, "/api/ready": ready}.get(self.path, 200))
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/api"
        with temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False}):
            assert await away.answers() is expected
    finally:
        server.shutdown()
        server.server_close()
