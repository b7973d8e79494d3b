"""What chaos looks for is found when it is there: each kind of loss, made by hand."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.projects import make_simulated
from support.runs import carry_out

from autopack.clock import SystemClock
from autopack.model.states import AttemptState, RunState
from autopack.process import leftovers
from autopack.runs.finish.finish import finish
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.session.opening import (
    close_session,
    open_session,
)
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.leases import Holder
from autopack.store.tables import attempts, leases, phases, runs
from deployments.chaos.findings import findings

pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


@dataclass(frozen=True)
class Ended:
    """A simulated run of one phase that succeeded."""

    run_id: str
    db: Database
    settings: Settings

    def look(self, *, given_up: bool = False) -> list[str]:
        closed = [self.run_id] if given_up else []
        return findings(self.db, self.settings, [self.run_id], given_up=closed)

    def write(self, statement: sa.Executable) -> None:
        self.db.transact(lambda conn: conn.execute(statement))


@pytest.fixture
def ended(tmp_path: Path, database: Database, database_url: str) -> Ended:
    settings = Settings(tmp_path / "home", database_url)
    settings.home.mkdir()
    project = make_simulated(tmp_path, {"success": 1, "calls": 2})
    clock = SystemClock()
    request = RunRequest(
        plan=str(project.plan),
        repo=str(project.repository),
        builder="simulated",
        builder_options={"spec": str(project.recording)},
        run_id="ended",
    )
    run_id = prepare_run(request, db=database, settings=settings, clock=clock).run_id
    session = open_session(run_id, db=database, settings=settings, clock=clock)
    try:
        asyncio.run(carry_out(session))
        finish(session, RunState.DONE_SUCCESS)
    finally:
        close_session(session)
    return Ended(run_id, database, settings)


def test_nothing_is_found_where_nothing_is_wrong(ended: Ended) -> None:
    assert ended.look() == []


def fail(ended: Ended) -> None:
    ended.write(sa.update(runs).values(state=RunState.DONE_FAILED_ENVIRONMENT))


def attempt_again(ended: Ended, number: int, **other: Any) -> None:
    with ended.db.read() as conn:
        [first] = conn.execute(sa.select(attempts)).mappings()
    ended.write(sa.insert(attempts).values({**first, "attempt": number, **other}))


def build_again(ended: Ended) -> None:
    attempt_again(ended, 2)


def leave_out_an_attempt(ended: Ended) -> None:
    attempt_again(ended, 3, state=AttemptState.INTERRUPTED, built_at=None)


def go_back_to_a_phase(ended: Ended) -> None:
    ended.write(sa.update(phases).values(revision=1))


def serve_a_call_more(ended: Ended) -> None:
    [output] = ended.settings.run_folder(ended.run_id).glob("spool/*/*/builder.out")
    [call, *_] = [line for line in output.read_text().splitlines() if '"call"' in line]
    with output.open("a") as more:
        more.write(call + "\n")


def keep_the_lease(ended: Ended) -> None:
    holder = asdict(Holder("another-host", "its-boot", 1, 1.0, "1-0"))
    later = datetime(2100, 1, 1, tzinfo=UTC)
    ended.write(sa.update(leases).values(holder=holder, expires_at=later))


def keep_the_checkout(ended: Ended) -> None:
    (ended.settings.run_folder(ended.run_id) / "work").mkdir()


Damage = Callable[[Ended], None]

OF_THE_WORK: list[tuple[Damage, str]] = [
    (fail, "ended: ended as DONE_FAILED_ENVIRONMENT"),
    (build_again, "was built 2 times and passed 2 times"),
    (leave_out_an_attempt, "are numbered [1, 3]"),
    (go_back_to_a_phase, "revision 1"),
]
OF_WHAT_IS_LEFT: list[tuple[Damage, str]] = [
    (serve_a_call_more, "the provider served"),
    (keep_the_lease, "its lease is still held"),
    (keep_the_checkout, "its checkout is still there"),
]


@pytest.mark.parametrize(("damage", "words"), [*OF_THE_WORK, *OF_WHAT_IS_LEFT])
def test_what_is_wrong_is_found(ended: Ended, damage: Damage, words: str) -> None:
    damage(ended)
    assert words in "\n".join(ended.look())


@pytest.mark.parametrize(("damage", "words"), OF_WHAT_IS_LEFT)
def test_so_is_what_a_run_that_was_given_up_leaves(
    ended: Ended, damage: Damage, words: str
) -> None:
    fail(ended)
    assert ended.look(given_up=True) == []
    damage(ended)
    assert words in "\n".join(ended.look(given_up=True))


@contextmanager
def process_of(run_id: str) -> Generator[None]:
    process = subprocess.Popen(["sleep", "600"], env={**os.environ, leftovers.RUN: run_id})
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(os.name != "posix", reason="uses sleep")
def test_a_process_that_goes_on_is_found(ended: Ended) -> None:
    with process_of(ended.run_id):
        assert ended.look() == ["ended: processes still there: 1"]
