"""Circuits: opened by failures in a row, tried again after a while, closed by successes."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from autopack.clock import ManualClock
from autopack.model.circuit import Admission, CircuitRules, CircuitState
from autopack.store import Database
from autopack.store.circuits import admit_call, list_circuits, report_call

NAME = "anthropic/claude"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def db(clock: ManualClock, sqlite_template: Path, tmp_path: Path) -> Any:
    opened = Database.open(f"sqlite:///{tmp_path / 'circuits.db'}", clock=clock)
    yield opened
    opened.close()


def call(db: Database, *, error: str | None = None) -> bool:
    """Make one call where that is allowed, which ends at once."""
    admission = admit_call(db, NAME)
    if admission.admitted:
        report_call(db, admission, error=error)
    return admission.admitted


def state(db: Database) -> CircuitState:
    (circuit,) = list_circuits(db)
    return circuit.state


def opened(db: Database) -> None:
    for _ in range(5):
        assert call(db, error="500")


def test_the_fifth_failure_in_a_row_opens_it(db: Database) -> None:
    for _ in range(4):
        call(db, error="500")
    call(db)
    for _ in range(4):
        call(db, error="500")
    assert state(db) is CircuitState.CLOSED
    call(db, error="500")
    assert state(db) is CircuitState.OPEN


def test_an_open_one_refuses_and_says_for_how_long(db: Database, clock: ManualClock) -> None:
    opened(db)
    clock.advance(20)
    admission = admit_call(db, NAME)
    assert (admission.admitted, admission.seconds) == (False, 40)


def test_looking_and_time_alone_change_nothing(db: Database, clock: ManualClock) -> None:
    opened(db)
    clock.advance(1000)
    for _ in range(10):
        assert state(db) is CircuitState.OPEN


def test_after_its_time_two_successes_close_it(db: Database, clock: ManualClock) -> None:
    opened(db)
    clock.advance(60)
    assert call(db)
    assert state(db) is CircuitState.HALF_OPEN
    assert call(db)
    assert state(db) is CircuitState.CLOSED


def test_one_failed_probe_opens_it_again(db: Database, clock: ManualClock) -> None:
    opened(db)
    clock.advance(60)
    call(db, error="500")
    assert state(db) is CircuitState.OPEN
    assert not call(db)


def test_only_so_many_probes_are_out_at_once(db: Database, clock: ManualClock) -> None:
    opened(db)
    clock.advance(60)
    assert [admit_call(db, NAME).admitted for _ in range(5)] == [True, True, False, False, False]


def test_silent_probes_are_given_up(db: Database, clock: ManualClock) -> None:
    opened(db)
    clock.advance(60)
    for _ in range(2):
        admit_call(db, NAME)
    clock.advance(30)
    assert admit_call(db, NAME).admitted


def test_a_call_of_an_earlier_state_says_nothing_about_this_one(
    db: Database, clock: ManualClock
) -> None:
    early = admit_call(db, NAME)
    opened(db)
    clock.advance(60)
    call(db)
    assert report_call(db, early, error="500") is None
    assert state(db) is CircuitState.HALF_OPEN


RACE = CircuitRules(failures=5, open_seconds=1.0, successes=3, probes=3, half_open_seconds=600)
THREADS, PROCESSES = 8, 4


def test_many_processes_and_threads_share_one(database_url: str) -> None:
    """Calls overlap, the declared probes pass and no more, and each change is counted once."""
    racers = [
        subprocess.Popen(
            [sys.executable, __file__, database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]

    def all_do(what: str) -> int:
        """Have every process do one thing at the same time; the sum of their answers."""
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write(f"{what}\n")
            racer.stdin.flush()
        return sum(int(racer.stdout.readline()) for racer in racers if racer.stdout)

    all_do("open")
    # Every call is under way before any has ended: none is made under a lock.
    assert all_do("admit") == THREADS * PROCESSES
    assert all_do("fail") == 1
    time.sleep(RACE.open_seconds)
    assert all_do("admit") == RACE.probes
    assert all_do("succeed") == 1
    for racer in racers:
        racer.communicate(timeout=30)

    db = Database.open(database_url)
    (circuit,) = list_circuits(db)
    db.close()
    # closed > open > half open > closed
    assert (circuit.transitions, circuit.state) == (3, CircuitState.CLOSED)
    assert circuit.calls == THREADS * PROCESSES + RACE.probes
    assert circuit.refused == THREADS * PROCESSES - RACE.probes


def race(url: str) -> None:
    """One of the processes: does in eight threads at once what each line says, answers a count."""
    db = Database.open(url)
    admitted: list[Admission] = []

    def report(error: str | None) -> int:
        with ThreadPoolExecutor(THREADS) as pool:
            turned = pool.map(lambda one: report_call(db, one, error=error, rules=RACE), admitted)
            return sum(state is not None for state in turned)

    for line in sys.stdin:
        answer = 0
        if line == "admit\n":
            with ThreadPoolExecutor(THREADS) as pool:
                asked = pool.map(lambda _: admit_call(db, NAME, RACE), range(THREADS))
                admitted = [one for one in asked if one.admitted]
            answer = len(admitted)
        elif line != "open\n":
            answer = report("500" if line == "fail\n" else None)
        print(answer, flush=True)


if __name__ == "__main__":
    race(sys.argv[1])
