"""A server that restarts is waited for, and nothing is done twice."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa
from support.outage import Outage

from autopack.model.errors import DatabaseRefused, LeaseLost
from autopack.store import Database, leases
from autopack.store.database import connecting
from autopack.store.holders import Holder
from autopack.store.tables import plans

ME = Holder.of_this_process()
HASH = "f" * 64


@pytest.fixture
def engine_name() -> str:
    return "postgresql"


@pytest.fixture
def outage(database_url):
    return Outage(database_url)


@pytest.fixture
def short_outage(outage):
    """The server is away, and comes back in a moment."""
    outage.begin()
    back = threading.Timer(0.4, outage.end)
    back.start()
    yield
    back.join()


def store_plan(conn: sa.Connection) -> None:
    values = {"plan_hash": HASH, "body": {}, "created_at": sa.func.now()}
    conn.execute(sa.insert(plans).values(values))


def stored(db: Database) -> int:
    with db.read() as conn:
        counted = sa.select(sa.func.count()).where(plans.c.plan_hash == HASH)
        return conn.scalar(counted) or 0


def test_writers_and_readers_wait_for_a_server_that_restarts(database, short_outage):
    database.transact(store_plan)
    assert stored(database) == 1


def test_readers_wait_too(database, short_outage):
    assert stored(database) == 0


def test_nobody_waits_for_longer_than_that(open_database, outage):
    db = open_database(outage_seconds=0.5)
    outage.begin()
    began = time.monotonic()
    with pytest.raises(DatabaseRefused):
        db.transact(store_plan)
    with pytest.raises(DatabaseRefused):
        stored(db)
    assert 1 <= time.monotonic() - began < 10
    outage.end()


def test_a_server_that_was_never_there_is_not_waited_for(database_url, outage):
    outage.begin()
    began = time.monotonic()
    with pytest.raises(DatabaseRefused):
        Database.open(database_url)
    assert time.monotonic() - began < 5
    outage.end()


def test_a_transaction_that_was_cut_off_is_done_again(database, outage):
    tries = []

    def write(conn):
        tries.append(1)
        store_plan(conn)
        if len(tries) == 1:
            outage.begin()
            outage.end()
            conn.execute(sa.select(1))

    database.transact(write)
    assert (len(tries), stored(database)) == (2, 1)


def test_a_commit_of_unknown_end_is_not_done_again(database, outage):
    tries = []

    def write(conn):
        tries.append(1)
        store_plan(conn)
        outage.begin()
        outage.end()

    with pytest.raises(DatabaseRefused):
        database.transact(write)
    assert len(tries) == 1


def test_who_freezes_in_a_transaction_does_not_keep_others_out(open_database, run, monkeypatch):
    monkeypatch.setattr(connecting, "_FROZEN_MILLISECONDS", 200)
    # In seconds of their own, and so with connections of their own, which know the limit.
    frozen, other = open_database(busy_seconds=30.0), open_database(busy_seconds=30.0)
    lease = leases.acquire(frozen, "run-1", ME, 0).lease
    inside, taken = threading.Event(), threading.Event()
    ends = []

    def write(conn):
        leases.fence(conn, lease)
        if not inside.is_set():
            inside.set()
            taken.wait(20)  # frozen, with the lease locked
        store_plan(conn)

    def work():
        try:
            frozen.transact(write)
        except LeaseLost as error:
            ends.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(20)
    leases.acquire(other, "run-1", ME, 45)
    taken.set()
    thread.join()
    assert len(ends) == 1
    assert stored(other) == 0
