"""Keeping a run: renewed in time, stopped when asked, given up before others may take it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.outage import Outage
from support.projects import call, make_project

from autopack.clock import ManualClock, SystemClock
from autopack.model.errors import Refused
from autopack.process.supervisor import Supervisor
from autopack.runs.session.lease_keeper import LeaseKeeper
from autopack.runs.session.opening import open_session
from autopack.runs.session.session import RunSession
from autopack.runs.session.stop import StopReason, StopSwitch
from autopack.settings import Settings
from autopack.store import Database, runs, tables
from autopack.store.leases import Holder, Lease, acquire, holder_of

# Time is moved by hand; a short lease makes the keeper look often. Its third is exact in binary.
SECONDS = 3 / 32
LOOKS = 0.2


@dataclass
class Kept:
    """A run that a keeper holds, and what the keeper works on."""

    db: Database
    clock: ManualClock
    lease: Lease
    switch: StopSwitch
    supervisor: Supervisor
    keeper: LeaseKeeper

    @property
    def expires_at(self) -> datetime:
        with self.db.read() as conn:
            return conn.scalars(sa.select(tables.leases.c.expires_at)).one()

    @property
    def worked(self) -> float:
        return runs.get_run(self.db, "r").elapsed_seconds

    @property
    def stopped_for(self) -> StopReason | None:
        return self.switch.stopped and self.switch.stopped.reason

    def let_another_take_over(self) -> None:
        self.db.transact(
            lambda conn: conn.execute(
                sa.update(tables.leases).values(expires_at=self.db.now(conn) - timedelta(days=1))
            )
        )
        acquire(self.db, "r", replace(Holder.of_this_process(), host="elsewhere"), 45)


def until(true: Callable[[], bool], seconds: float = 15) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


@pytest.fixture
def engine_name() -> str:
    return "sqlite"


@pytest.fixture
def kept(database_url: str) -> Iterator[Kept]:
    clock = ManualClock()
    db = Database.open(database_url, clock=clock)
    new = runs.NewRun(
        run_id="r",
        plan_hash="a" * 64,
        plan_body={},
        goal="g",
        repo="/repo",
        base_commit="b" * 40,
        branch="autopack/r",
        builder="script",
        builder_options={},
        model=None,
        models={},
        features=(),
        token_cap=1,
        cost_cap=None,
        minutes_cap=1,
        at_cap="fail",
    )
    runs.create_run(db, new, [("one", "T1")])
    lease = acquire(db, "r", Holder.of_this_process(), SECONDS).lease
    switch, supervisor = StopSwitch(), Supervisor()
    keeper = LeaseKeeper(
        db_url=database_url,
        lease=lease,
        seconds=SECONDS,
        clock=clock,
        switch=switch,
        supervisor=supervisor,
    )
    yield Kept(db, clock, lease, switch, supervisor, keeper)
    keeper.close()
    db.close()


def test_a_third_of_the_lease_later_it_is_renewed(kept: Kept) -> None:
    before = kept.expires_at
    kept.clock.advance(SECONDS / 3)
    until(lambda: kept.expires_at > before)
    assert kept.expires_at == before + timedelta(seconds=SECONDS / 3)
    assert kept.stopped_for is None


def test_after_the_machine_slept_it_is_renewed_at_once(kept: Kept) -> None:
    before = kept.expires_at
    kept.clock.sleep(600)
    until(lambda: kept.expires_at > before)
    assert kept.stopped_for is None
    assert kept.keeper.uncounted_seconds() == 0, "sleep is not working time"


def test_what_was_taken_over_while_the_machine_slept_is_let_go_at_once(kept: Kept) -> None:
    kept.let_another_take_over()
    kept.clock.sleep(600)
    until(lambda: kept.stopped_for is StopReason.LEASE_LOST)


def test_before_that_it_is_left_as_it_is(kept: Kept) -> None:
    before = kept.expires_at
    kept.clock.advance(SECONDS / 3 - 0.001)
    time.sleep(LOOKS)
    assert kept.expires_at == before


def test_a_run_is_held_for_as_long_as_it_takes(kept: Kept) -> None:
    for _ in range(30):
        before = kept.expires_at
        kept.clock.advance(SECONDS / 3)
        until(lambda before=before: kept.expires_at > before)
    assert kept.stopped_for is None


def test_working_time_is_written_with_every_renewal_and_at_the_end(kept: Kept) -> None:
    kept.clock.advance(30)
    until(lambda: kept.keeper.uncounted_seconds() == 0)
    assert kept.worked == 30
    kept.clock.advance(0.01)
    kept.keeper.close()
    assert kept.worked == pytest.approx(30.01)


def test_closing_leaves_the_lease_alone(kept: Kept) -> None:
    before = kept.expires_at
    kept.keeper.close()
    assert kept.expires_at == before


def test_a_request_to_cancel_stops_the_run(kept: Kept) -> None:
    runs.request_cancel(kept.db, "r")
    until(lambda: kept.stopped_for is StopReason.CANCELLED)


def test_a_cancelled_run_is_still_held_until_it_is_closed(kept: Kept) -> None:
    runs.request_cancel(kept.db, "r")
    until(lambda: kept.stopped_for is not None)
    before = kept.expires_at
    kept.clock.advance(SECONDS)
    until(lambda: kept.expires_at > before)


@pytest.mark.skipif(os.name != "posix", reason="uses sleep")
async def test_when_another_took_the_run_the_children_end_first(kept: Kept, tmp_path: Path) -> None:
    child = asyncio.create_task(
        kept.supervisor.run(
            ["sleep", "600"],
            cwd=tmp_path,
            env=dict(os.environ),
            timeout=None,
            spool=tmp_path / "out",
        )
    )
    await asyncio.sleep(0.1)
    kept.let_another_take_over()
    kept.clock.advance(SECONDS)
    ended = await asyncio.wait_for(child, 10)
    assert ended.seconds < 10
    await asyncio.to_thread(until, lambda: kept.stopped_for is StopReason.LEASE_LOST)


def test_who_lost_the_run_writes_no_working_time_any_more(kept: Kept) -> None:
    kept.let_another_take_over()
    kept.clock.advance(SECONDS)
    until(lambda: kept.stopped_for is StopReason.LEASE_LOST)
    kept.clock.advance(60)
    kept.keeper.close()
    assert kept.worked == 0


def test_a_run_that_was_taken_over_unnoticed_can_still_be_closed(kept: Kept) -> None:
    kept.let_another_take_over()
    kept.keeper.close()
    assert kept.stopped_for is StopReason.LEASE_LOST
    assert kept.worked == 0


class TestWhileTheDatabaseIsAway:
    """Refused connections, as when a server restarts."""

    @pytest.fixture
    def engine_name(self) -> str:
        return "postgresql"

    @pytest.fixture
    def outage(self, database_url: str) -> Outage:
        return Outage(database_url)

    def test_a_run_survives_a_short_outage(self, kept: Kept, outage: Outage) -> None:
        before = kept.expires_at
        outage.begin()
        kept.clock.advance(SECONDS * 0.6)
        time.sleep(LOOKS)
        assert kept.stopped_for is None
        outage.end()
        until(lambda: kept.expires_at > before)
        until(lambda: kept.worked == pytest.approx(SECONDS * 0.6))
        assert kept.stopped_for is None

    def test_before_the_lease_runs_out_the_run_is_given_up(
        self, kept: Kept, outage: Outage
    ) -> None:
        outage.begin()
        kept.clock.advance(SECONDS * 0.7)
        until(lambda: kept.stopped_for is StopReason.LEASE_LOST)
        outage.end()
        assert kept.switch.stopped is not None
        assert "could not be renewed" in kept.switch.stopped.message

    def test_closing_then_does_not_wait_for_it(self, kept: Kept, outage: Outage) -> None:
        outage.begin()
        kept.clock.advance(SECONDS * 0.7)
        until(lambda: kept.stopped_for is not None)
        kept.keeper.close()
        outage.end()


def test_time_spent_waiting_is_not_working_time(kept: Kept) -> None:
    kept.clock.advance(1)
    with kept.keeper.idle():
        kept.clock.advance(SECONDS)
        assert kept.keeper.uncounted_seconds() <= 1
    kept.clock.advance(2)
    kept.keeper.close()
    assert runs.get_run(kept.db, "r").elapsed_seconds == pytest.approx(3)


@pytest.mark.parametrize(
    ("opened", "worked"),
    [
        ("idle", 1 + 16 + 32),
        ("idle idle", 1 + 32),
        ("idle working", 1 + 4 + 8 + 16 + 32),
        ("working idle", 1 + 2 + 4 + 8 + 32),
        ("working", 63),
    ],
)
def test_blocks_that_overlap(kept: Kept, opened: str, worked: int) -> None:
    """The first is open for 2 + 4 + 8 seconds, the second for 4 + 8 + 16."""
    blocks = [getattr(kept.keeper, name)() for name in opened.split()]
    kept.clock.advance(1)
    blocks[0].__enter__()
    kept.clock.advance(2)
    for second in blocks[1:]:
        second.__enter__()
    kept.clock.advance(4)
    kept.clock.advance(8)
    blocks[0].__exit__(None, None, None)
    kept.clock.advance(16)
    for second in blocks[1:]:
        second.__exit__(None, None, None)
    kept.clock.advance(32)
    assert kept.keeper.uncounted_seconds() <= worked
    kept.keeper.close()
    assert runs.get_run(kept.db, "r").elapsed_seconds == pytest.approx(worked)


def test_a_lease_that_nobody_can_keep_is_released(
    database: Database,
    settings: Settings,
    store: Callable[..., str],
    open_run: Callable[[str], RunSession],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise Refused("no more connections")

    run_id = store(make_project(tmp_path / "project", {"one": [[call(1)]]}))
    with monkeypatch.context() as patched:
        patched.setattr(LeaseKeeper, "__init__", refuse)
        with pytest.raises(Refused, match="no more connections"):
            open_session(run_id, db=database, settings=settings, clock=SystemClock())
    assert holder_of(database, run_id) is None
    assert open_run(run_id).run_id == run_id
