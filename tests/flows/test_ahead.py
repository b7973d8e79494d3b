"""What is begun of a phase before Prefect hears of it: built, judged, ended with its run."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prefect import get_client, tags
from prefect.client.schemas.actions import (
    GlobalConcurrencyLimitCreate,
    GlobalConcurrencyLimitUpdate,
)
from support.phases_in_prefect import executed, phases_of, subflows_of, three_phases, until
from support.projects import Project, call, make_project

from autopack.model.states import AttemptState
from autopack.runs.session.session import held
from autopack.runs.session.stop import StopReason, in_thread
from autopack.settings import Settings
from autopack.stack import OWN_SERVER
from autopack.store.database.engine import Database
from autopack.store.reading import get_attempts, get_run
from tasks import slots
from tasks.ahead import _of_runs

# The engine of the application database makes no difference to what Prefect hears.
pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


@pytest.fixture
def db(home: Path) -> Iterator[Database]:
    opened = Database.open(Settings.from_environment().database_url)
    yield opened
    opened.close()


Telling = Callable[[str], Awaitable[None]]


@pytest.fixture
def telling(monkeypatch: pytest.MonkeyPatch) -> Callable[[Telling], None]:
    """Sets what is awaited, given the phase, before Prefect is told that a phase begins."""
    from flows.phases import succession

    run_begun = succession.run_begun

    def set_it(before: Telling) -> None:
        async def told(flow: Any, begin: Any, parameters: dict[str, Any]) -> Any:
            await before(parameters["phase_id"])
            return await run_begun(flow, begin, parameters)

        monkeypatch.setattr(succession, "run_begun", told)

    return set_it


async def test_a_phase_is_built_while_prefect_is_told_that_it_begins(
    db: Database, tmp_path: Path, telling: Callable[[Telling], None]
) -> None:
    async def before(phase_id: str) -> None:
        (run_id,) = _of_runs

        def is_built() -> bool:
            attempts = get_attempts(db, run_id, phase_id)
            return bool(attempts) and attempts[-1].state is AttemptState.BUILT

        await until(is_built)

    telling(before)
    run = await executed(three_phases(tmp_path))
    assert run["state"] == "DONE_SUCCESS"
    for phase_id, states in await phases_of(run):
        assert states == ["Running", "Completed"], phase_id


@asynccontextmanager
async def limited(name: str, *, is_taken: bool) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
    """A limit of the server on the builds of one; yields what makes room for it."""
    async with get_client() as client:
        made = GlobalConcurrencyLimitCreate(name=name, limit=1, active_slots=int(is_taken))
        await client.create_global_concurrency_limit(made)

        async def leave() -> None:
            wanted = GlobalConcurrencyLimitUpdate(active_slots=0)
            await client.update_global_concurrency_limit(name, wanted)

        yield leave
        await client.delete_global_concurrency_limit_by_name(name)


@pytest.mark.parametrize(
    ("limit", "is_taken", "is_begun"),
    [
        ("autopack-other", True, True),
        ("autopack-builder-script", False, True),
        ("autopack-builder-script", True, False),
        ("tag:autopack-builder", False, False),
        ("tag:mine", False, False),
    ],
)
async def test_a_phase_is_built_beforehand_unless_it_has_to_wait_for_a_slot(
    home: Path,
    tmp_path: Path,
    telling: Callable[[Telling], None],
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    is_taken: bool,
    is_begun: bool,
) -> None:
    begun: list[bool] = []

    async def before(phase_id: str) -> None:
        (run_id,) = _of_runs
        begun.append(phase_id in _of_runs[run_id])
        if len(begun) == 1 and limit.startswith("autopack"):
            await leave()

    telling(before)
    monkeypatch.delenv(OWN_SERVER)
    monkeypatch.setattr(slots, "_known", {})
    async with limited(limit, is_taken=is_taken) as leave:
        with tags("mine"):
            run = await executed(three_phases(tmp_path))
        async with get_client() as client:
            left = await client.read_global_concurrency_limit_by_name(limit)
    assert run["state"] == "DONE_SUCCESS"
    assert begun == [is_begun, is_begun or is_taken, is_begun or is_taken]
    assert left.active_slots == 0


async def test_a_server_that_is_away_meanwhile_has_nothing_built_twice(
    db: Database, tmp_path: Path, telling: Callable[[Telling], None]
) -> None:
    broken = {"p0", "p1", "p2"}

    async def before(phase_id: str) -> None:
        if phase_id in broken:
            broken.discard(phase_id)
            raise httpx.ConnectError("away")

    telling(before)
    run = await executed(three_phases(tmp_path))
    assert run["state"] == "DONE_SUCCESS"
    assert [one.phase_id for one in get_attempts(db, run["run_id"])] == ["p0", "p1", "p2"]
    assert broken == set()


async def test_a_fault_of_prefect_leaves_no_build_at_work(
    db: Database, tmp_path: Path, telling: Callable[[Telling], None]
) -> None:
    from flows import execute_run

    async def before(phase_id: str) -> None:
        (run_id,) = _of_runs
        await until(lambda: bool(get_attempts(db, run_id, phase_id)))
        raise RuntimeError("no flow run of this kind")

    telling(before)
    project = make_project(tmp_path, {"one": [[call(7), {"delay": 600}]]})
    state = await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        run_id="faulty",
        return_state=True,
    )
    assert state.is_failed() or state.is_crashed()
    assert _of_runs == {}
    (attempt,) = get_attempts(db, "faulty", "one")
    assert attempt.state is AttemptState.INTERRUPTED
    assert await subflows_of(get_run(db, "faulty").flow_run_id or "") == []


async def test_a_build_works_on_while_prefect_is_waited_for(
    db: Database, tmp_path: Path, telling: Callable[[Telling], None]
) -> None:
    counted: list[float] = []

    async def before(phase_id: str) -> None:
        (run_id,) = _of_runs
        await until(lambda: bool(get_attempts(db, run_id, phase_id)))
        keeper = held(run_id).keeper
        with keeper.idle():
            so_far = keeper.uncounted_seconds()
            await asyncio.sleep(0.5)
            counted.append(keeper.uncounted_seconds() - so_far)

    telling(before)
    run = await executed(make_project(tmp_path, {"one": [[call(7), {"delay": 3}]]}))
    assert run["state"] == "DONE_SUCCESS"
    assert counted[0] >= 0.4


async def test_a_limit_on_the_time_of_a_run_ends_what_was_begun_whoever_is_told(
    db: Database, tmp_path: Path, telling: Callable[[Telling], None]
) -> None:
    from flows import execute_run

    ended: list[str] = []

    async def before(phase_id: str) -> None:
        def wait(_: threading.Event) -> None:
            given_up = time.monotonic() + 20
            while time.monotonic() < given_up and not ended:
                attempts = get_attempts(db, "limited-build", phase_id)
                if attempts and attempts[-1].state is AttemptState.INTERRUPTED:
                    ended.append(phase_id)
                time.sleep(0.02)

        await in_thread(wait)  # to its end, as what is told of a flow run that is cancelled

    telling(before)
    project = make_project(tmp_path, {"one": [[call(7), {"delay": 600}]]})
    state = await execute_run.with_options(timeout_seconds=4)(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        run_id="limited-build",
        return_state=True,
    )
    assert (state.name, ended) == ("TimedOut", ["one"])


@pytest.mark.parametrize("seconds", [0, 600])
async def test_a_run_that_is_cancelled_while_prefect_is_told_counts_what_was_begun(
    db: Database, tmp_path: Path, telling: Callable[[Telling], None], seconds: int
) -> None:
    async def before(phase_id: str) -> None:
        (run_id,) = _of_runs
        spool = held(run_id).folder / "spool" / phase_id / "1"

        def has_spent() -> bool:
            attempts = get_attempts(db, run_id, phase_id)
            is_over = bool(attempts) and attempts[-1].state is AttemptState.BUILT
            return (
                is_over
                if not seconds
                else any(b"7" in one.read_bytes() for one in spool.glob("*.out"))
            )

        await until(has_spent)
        held(run_id).switch.stop(StopReason.CANCELLED, "enough")

    telling(before)
    project = make_project(tmp_path, {"one": [[call(7), {"delay": seconds}]]})
    run = await executed(project)
    assert run["state"] == "DONE_CANCELLED"
    (attempt,) = get_attempts(db, run["run_id"], "one")
    assert attempt.state in {AttemptState.INTERRUPTED, AttemptState.BUILT}
    if seconds:
        assert attempt.state is AttemptState.INTERRUPTED
    assert run["tokens"]["total"] == 7


def checked_by(folder: Path, *commands: str) -> tuple[Project, Callable[[], int]]:
    """A project of three phases, and how often a check has begun, which then does ``commands``."""
    begun = folder / "begun"
    words = "; ".join((f"echo >> {begun}", *commands))
    project = three_phases(folder, validate=[f"sh -c '{words}'"])
    return project, lambda: begun.read_text().count("\n") if begun.exists() else 0


async def test_a_phase_is_judged_once_while_prefect_is_told_that_it_begins(
    db: Database, tmp_path: Path, telling: Callable[[Telling], None]
) -> None:
    project, begun = checked_by(tmp_path)
    told: list[str] = []

    async def before(phase_id: str) -> None:
        told.append(phase_id)
        await until(lambda: begun() == len(told))

    telling(before)
    run = await executed(project)
    assert run["state"] == "DONE_SUCCESS"
    final_check = 1
    assert begun() == 3 + final_check


@pytest.mark.parametrize("how", ["cancelled", "out of time", "a fault of Prefect"])
async def test_what_is_judged_beforehand_ends_with_the_run(
    db: Database, tmp_path: Path, telling: Callable[[Telling], None], how: str
) -> None:
    from flows import execute_run

    marker = f"{time.monotonic_ns()}"[-9:]
    project, begun = checked_by(tmp_path, f"exec sleep 600.{marker}")

    def is_left() -> bool:
        return any(
            f"600.{marker}" in " ".join(one.info["cmdline"] or ())
            for one in psutil.process_iter(["cmdline"])
        )

    async def before(phase_id: str) -> None:
        await until(lambda: begun() == 1 and is_left())
        if how == "a fault of Prefect":
            raise RuntimeError("no flow run of this kind")
        if how == "cancelled":
            held("judged-ahead").switch.stop(StopReason.CANCELLED, "enough")
        else:
            await asyncio.sleep(60)

    telling(before)
    state = await execute_run.with_options(timeout_seconds=10 if how == "out of time" else None)(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        run_id="judged-ahead",
        return_state=True,
    )
    assert state.is_cancelled() is (how == "cancelled")
    assert not is_left()
    assert _of_runs == {}
    (attempt,) = get_attempts(db, "judged-ahead", "p0")
    assert attempt.state is AttemptState.BUILT, "it is judged when the run is resumed"
    for one in await subflows_of(get_run(db, "judged-ahead").flow_run_id or ""):
        assert one.state is not None
        assert one.state.is_final()
