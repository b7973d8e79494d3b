"""One holder of a run at a time."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from autopack.clock import ManualClock
from autopack.ledger.maintenance import maintain
from autopack.model.errors import LeaseLost, NotFound, RunHeld
from autopack.model.states import RunState
from autopack.settings import Settings
from autopack.store import Holder, leases, runs
from autopack.store.tables import leases as table
from autopack.store.tables import runs as all_runs

ME = Holder.of_this_process()
ELSEWHERE = replace(ME, host="elsewhere")
GONE = replace(ME, started=-100.0)


@pytest.fixture
def db(database, run):
    """A database with the run that the tests lease."""
    return database


def expire(db):
    db.transact(
        lambda conn: conn.execute(
            sa.update(table).values(expires_at=db.now(conn) - timedelta(seconds=1))
        )
    )


def test_a_run_that_nobody_ever_held_is_free(db):
    acquired = leases.acquire(db, "run-1", ME, 45)
    assert (acquired.lease.token, acquired.previous, acquired.was_released) == (1, None, False)


def test_a_live_lease_names_its_holder(db):
    leases.acquire(db, "run-1", ELSEWHERE, 45)
    with pytest.raises(RunHeld, match=rf"held by pid {ME.pid} on elsewhere, .* expires at \d\d:"):
        leases.acquire(db, "run-1", ME, 45)


def test_a_process_that_holds_a_run_does_not_get_it_again(db):
    leases.acquire(db, "run-1", ME, 45)
    with pytest.raises(RunHeld):
        leases.acquire(db, "run-1", ME, 45)


def test_an_expired_lease_is_taken_over(db):
    leases.acquire(db, "run-1", ELSEWHERE, 45)
    expire(db)
    acquired = leases.acquire(db, "run-1", ME, 45)
    assert acquired.lease.token == 2
    assert (acquired.previous, acquired.was_released) == (ELSEWHERE, False)


def test_a_holder_that_is_provably_gone_is_replaced_at_once(db):
    leases.acquire(db, "run-1", GONE, 45)
    assert leases.acquire(db, "run-1", ME, 45).previous == GONE


def test_a_released_run_is_free_and_says_so(db):
    leases.release(db, leases.acquire(db, "run-1", ELSEWHERE, 45).lease)
    acquired = leases.acquire(db, "run-1", ME, 45)
    assert (acquired.lease.token, acquired.previous, acquired.was_released) == (2, ELSEWHERE, True)


def test_releasing_twice_or_after_a_takeover_does_nothing(db):
    stale = leases.acquire(db, "run-1", GONE, 45).lease
    leases.release(db, stale)
    leases.release(db, stale)
    leases.acquire(db, "run-1", ME, 45)
    leases.release(db, stale)
    assert leases.holder_of(db, "run-1") == ME


def test_an_unknown_run_cannot_be_held(db):
    with pytest.raises(NotFound, match="no run 'nope'"):
        leases.acquire(db, "nope", ME, 45)


def test_renewing_moves_the_expiry(db):
    lease = leases.acquire(db, "run-1", ME, 1).lease
    renewed = leases.renew(db, lease, 45)
    assert renewed.expires_at > lease.expires_at + timedelta(seconds=40)


def test_an_expired_lease_that_nobody_took_may_be_renewed(db):
    lease = leases.acquire(db, "run-1", ME, 45).lease
    expire(db)
    leases.renew(db, lease, 45)
    assert leases.holder_of(db, "run-1") == ME


@pytest.mark.parametrize("end", ["taken over", "released"])
def test_a_lease_that_ended_neither_renews_nor_writes(db, end):
    stale = leases.acquire(db, "run-1", GONE, 45).lease
    if end == "released":
        leases.release(db, stale)
    else:
        leases.acquire(db, "run-1", ME, 45)
    with pytest.raises(LeaseLost):
        leases.renew(db, stale, 45)
    with pytest.raises(LeaseLost):
        db.transact(lambda conn: leases.fence(conn, stale))


def test_the_current_lease_may_write(db):
    lease = leases.acquire(db, "run-1", ME, 45).lease
    db.transact(lambda conn: leases.fence(conn, lease))


def test_only_a_live_lease_has_a_holder(db):
    assert leases.holder_of(db, "run-1") is None
    leases.acquire(db, "run-1", ELSEWHERE, 45)
    assert leases.holder_of(db, "run-1") == ELSEWHERE
    expire(db)
    assert leases.holder_of(db, "run-1") is None


def test_nobody_takes_over_while_a_fenced_transaction_writes(db):
    """The takeover waits for the transaction, so a stale write cannot follow a fresh one."""
    lease = leases.acquire(db, "run-1", GONE, 45).lease
    order = []

    def write(conn):
        leases.fence(conn, lease)
        taking = pool.submit(lambda: (leases.acquire(db, "run-1", ME, 45), order.append("taken")))
        time.sleep(0.2)
        order.append("written")
        return taking

    with ThreadPoolExecutor(1) as pool:
        db.transact(write).result()
    assert order == ["written", "taken"]


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_lease_expires_by_the_clock_of_the_database(open_database, new_run):
    clock = ManualClock()
    db = open_database(clock=clock)
    runs.create_run(db, new_run(), [])
    leases.acquire(db, "run-1", ELSEWHERE, 45)
    clock.advance(44)
    with pytest.raises(RunHeld):
        leases.acquire(db, "run-1", ME, 45)
    clock.advance(1)
    assert leases.acquire(db, "run-1", ME, 45).lease.token == 2


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def stepping(open_database, clock, new_run):
    """A run in a database whose clock can be set."""
    db = open_database(clock=clock)
    runs.create_run(db, new_run(), [])
    return db


def is_free(db):
    return leases.holder_of(db, "run-1") is None and leases.abandoned_runs(db) == ["run-1"]


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize("seconds", [-86400, -45, 45, 86400])
def test_setting_the_time_of_day_neither_ends_a_lease_nor_prolongs_it(stepping, clock, seconds):
    leases.acquire(stepping, "run-1", ELSEWHERE, 45)
    clock.at += timedelta(seconds=seconds)
    assert not is_free(stepping)
    with pytest.raises(RunHeld):
        leases.acquire(stepping, "run-1", ME, 45)
    clock.advance(44)
    assert not is_free(stepping)
    clock.advance(1)
    assert is_free(stepping)
    leases.acquire(stepping, "run-1", ME, 45)


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_lease_runs_out_while_the_machine_sleeps(stepping, clock):
    leases.acquire(stepping, "run-1", ELSEWHERE, 45)
    clock.sleep(45)
    assert is_free(stepping)


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize(
    ("seconds", "free"),
    [
        (44, False),  # its machine may be another
        (45, True),
        (-46, True),  # set back since: no lease lasts so long
        (-86400, True),
    ],
)
def test_after_a_restart_the_time_of_day_decides(stepping, clock, monkeypatch, seconds, free):
    leases.acquire(stepping, "run-1", replace(ELSEWHERE, boot_id="before"), 45)
    monkeypatch.setattr("autopack.store.expiry.boot_id", lambda: "after the restart")
    clock.elapsed = 1.0
    clock.at += timedelta(seconds=seconds)
    assert is_free(stepping) is free


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_lease_that_older_code_renewed_counts_by_the_time_of_day(stepping, clock):
    leases.acquire(stepping, "run-1", ELSEWHERE, 45)
    clock.advance(40)
    later = clock.now() + timedelta(seconds=45)
    stepping.transact(lambda conn: conn.execute(sa.update(table).values(expires_at=later)))
    clock.advance(44)
    assert not is_free(stepping)
    clock.advance(1)
    assert is_free(stepping)


def test_of_eight_threads_one_gets_the_run(db):
    def attempt(_):
        try:
            return leases.acquire(db, "run-1", ME, 45).lease.token
        except RunHeld:
            return None

    for token in range(1, 6):
        with ThreadPoolExecutor(8) as pool:
            tokens = [t for t in pool.map(attempt, range(8)) if t is not None]
        assert tokens == [token]
        expire(db)


def test_of_four_processes_one_gets_the_run(db, database_url):
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("race.py"), "acquire", database_url, "4"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert sorted(done.stdout.splitlines()) == ["run_held"] * 3 + ["token 1"]


def test_a_run_is_abandoned_whose_holder_died_or_let_the_lease_expire(db):
    assert leases.abandoned_runs(db) == []
    leases.acquire(db, "run-1", GONE, 45)
    assert leases.abandoned_runs(db) == ["run-1"], "it died, though it had not begun the work"
    lease = leases.acquire(db, "run-1", ELSEWHERE, 45).lease
    assert leases.abandoned_runs(db) == []
    expire(db)
    assert leases.abandoned_runs(db) == ["run-1"]
    leases.release(db, lease)
    assert leases.abandoned_runs(db) == []


def test_a_run_that_is_abandoned_on_purpose_can_be_taken_at_once(db):
    lease = leases.acquire(db, "run-1", ME, 45).lease
    leases.abandon(db, lease)
    assert leases.abandoned_runs(db) == ["run-1"]
    assert not leases.acquire(db, "run-1", ELSEWHERE, 45).was_released
    leases.abandon(db, lease)
    assert leases.holder_of(db, "run-1") == ELSEWHERE, "it is another's now"


@pytest.mark.parametrize(("has_run_out", "released"), [(False, 0), (True, 1)])
def test_maintenance_releases_what_an_ended_run_has_let_run_out(
    db, tmp_path, has_run_out, released
):
    """The holder of a run that has just ended still clears up."""
    leases.acquire(db, "run-1", ME, 45)
    ended = sa.update(all_runs).values(state=RunState.DONE_CANCELLED)
    db.transact(lambda conn: conn.execute(ended))
    if has_run_out:
        expire(db)
    assert maintain(db, Settings(tmp_path, "unused")).released_leases == released
