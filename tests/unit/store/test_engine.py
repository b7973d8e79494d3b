"""Opening a database, and reading and writing it from many sides at once."""

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from autopack.clock import ManualClock
from autopack.model.errors import DatabaseRefused
from autopack.store import Database
from autopack.store.database.engine import now
from autopack.store.database.schema import known_versions
from autopack.store.tables import plans

only_sqlite = pytest.mark.parametrize("engine_name", ["sqlite"])
only_postgresql = pytest.mark.parametrize("engine_name", ["postgresql"])


def add_plan(conn, name):
    conn.execute(sa.insert(plans).values(plan_hash=name, body={}, created_at=now(conn)))


def count_plans(db):
    with db.read() as conn:
        return conn.scalar(sa.select(sa.func.count()).select_from(plans))


@only_sqlite
def test_sqlite_upgrades_itself_on_first_use(empty_database_url):
    db = Database.open(empty_database_url)
    assert db.schema_version() == db.head_version()


@only_postgresql
def test_postgresql_without_a_schema_is_refused_with_the_command_to_run(empty_database_url):
    with pytest.raises(DatabaseRefused, match="no schema yet") as refused:
        Database.open(empty_database_url)
    assert refused.value.hint == "autopack db upgrade"


@only_postgresql
def test_postgresql_with_an_older_schema_is_refused(database_url, monkeypatch):
    newer = [*known_versions(), "9999"]
    monkeypatch.setattr("autopack.store.database.schema.known_versions", lambda: newer)
    with pytest.raises(DatabaseRefused, match=r"has schema .* needs 9999") as refused:
        Database.open(database_url)
    assert refused.value.hint == "autopack db upgrade"


def test_a_schema_of_a_newer_autopack_is_refused(open_database):
    open_database().transact(
        lambda conn: (
            conn.execute(sa.text("UPDATE alembic_version SET version_num = '9999'")),
            conn.execute(sa.text("UPDATE schema_compatibility SET oldest_code = '9999'")),
        )
    )
    with pytest.raises(DatabaseRefused, match="is newer than this Autopack: it has schema 9999"):
        open_database()
    with pytest.raises(DatabaseRefused, match="has schema 9999"):
        open_database(check_schema=False).upgrade()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nonsense", "cannot be read"),  # not a URL
        ("postgresql://u:s3cret@h:port/d", "cannot be read"),  # a port that is no number
        ("mysql://u:s3cret@h/d", "'mysql' databases are not supported"),  # another engine
        ("sqlite://", "in memory"),  # would be gone with the process
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:////proc/no/such/folder/x.db", "its folder does not exist"),
        ("postgresql://u:s3cret@127.0.0.1:1/d", "refused"),  # nobody listens there
        ("postgres://u@127.0.0.1:1/d?password=s3cret", "refused"),  # the secret in the query
    ],
)
def test_a_database_that_cannot_be_used_is_refused_in_one_line(url, reason):
    with pytest.raises(DatabaseRefused, match=reason) as refused:
        Database.open(url)
    assert "\n" not in refused.value.message
    assert "s3cret" not in refused.value.message
    assert refused.value.hint


def test_a_folder_in_place_of_the_file_is_refused(tmp_path):
    with pytest.raises(DatabaseRefused, match="it is a folder"):
        Database.open(f"sqlite:///{tmp_path}")


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "x.db").write_text("not a database, " * 100, encoding="utf-8")
    with pytest.raises(DatabaseRefused, match="file is not a database"):
        Database.open(f"sqlite:///{tmp_path / 'x.db'}")


def test_a_wrong_password_is_refused_without_showing_it():
    with pytest.raises(DatabaseRefused) as refused:
        Database.open("postgresql://autopack:hunter2@127.0.0.1:1/autopack")
    assert "postgresql://autopack:***@127.0.0.1:1/autopack" in refused.value.message
    assert "hunter2" not in refused.value.message


def test_a_relative_path_keeps_its_meaning_when_the_folder_changes(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    db = Database.open("sqlite:///relative.db")
    db.close()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert count_plans(db) == 0


@pytest.mark.parametrize("prefix", ["postgres", "postgresql", "postgresql+psycopg2"])
@only_postgresql
def test_every_spelling_of_postgresql_gets_the_same_driver(database_url, prefix):
    url = f"{prefix}:{database_url.partition(':')[2]}"
    db = Database.open(url)
    assert db.dialect == "postgresql"
    assert db.url_masked.startswith("postgresql://")
    db.close()


def test_a_transaction_returns_what_its_function_returns(database):
    assert database.transact(lambda conn: conn.scalar(sa.text("SELECT 7"))) == 7


def test_a_transaction_that_fails_leaves_nothing(database):
    def fail(conn):
        add_plan(conn, "a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.transact(fail)
    assert count_plans(database) == 0


def test_a_reader_neither_blocks_a_writer_nor_sees_its_work(database):
    with database.read() as conn:
        before = conn.scalar(sa.select(sa.func.count()).select_from(plans))
        database.transact(lambda writer: add_plan(writer, "a"))
        after = conn.scalar(sa.select(sa.func.count()).select_from(plans))
    assert (before, after, count_plans(database)) == (0, 0, 1)


def test_concurrent_changes_of_one_row_are_all_kept(database):
    """Read, then write: on PostgreSQL the row has to be locked, on SQLite the database is."""
    database.transact(lambda conn: add_plan(conn, "a"))

    def increment(conn):
        body = conn.scalar(sa.select(plans.c.body).with_for_update())
        conn.execute(sa.update(plans).values(body={"n": body.get("n", 0) + 1}))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: database.transact(increment), range(80)))
    with database.read() as conn:
        assert conn.scalar(sa.select(plans.c.body)) == {"n": 80}


@only_postgresql
def test_a_deadlock_is_retried(database):
    """Two transactions lock two rows in opposite orders; the one that is shot runs again."""
    database.transact(lambda conn: (add_plan(conn, "a"), add_plan(conn, "b")))
    both_hold_one = threading.Barrier(2)
    runs_of = {"ab": 0, "ba": 0}

    def lock(order):
        def fn(conn):
            runs_of[order] += 1
            for position, name in enumerate(order):
                conn.execute(sa.select(plans).where(plans.c.plan_hash == name).with_for_update())
                if position == 0 and runs_of[order] == 1:
                    both_hold_one.wait(10)

        return fn

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(database.transact, [lock("ab"), lock("ba")]))
    assert sorted(runs_of.values()) == [1, 2]


def test_a_writer_that_waits_too_long_gives_up_in_one_line(open_database):
    patient, hasty = open_database(), open_database(busy_seconds=0.2)
    patient.transact(lambda conn: add_plan(conn, "a"))

    def lock_and(conn, then):
        conn.execute(sa.select(plans).with_for_update())
        return then()

    with pytest.raises(DatabaseRefused, match="lock") as refused:
        patient.transact(
            lambda conn: lock_and(conn, lambda: hasty.transact(lambda c: lock_and(c, int)))
        )
    assert "\n" not in refused.value.message


@only_sqlite
def test_on_sqlite_the_time_is_that_of_the_injected_clock(open_database):
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    db = open_database(clock=clock)
    clock.advance(5)
    assert db.transact(db.now) == datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)


@only_postgresql
def test_on_postgresql_the_time_is_the_servers_and_moves_within_a_transaction(open_database):
    db = open_database(clock=ManualClock())
    with db.read() as conn:
        first, second = db.now(conn), db.now(conn)
    assert first.utcoffset() == timedelta(0)
    assert abs(first - datetime.now(UTC)) < timedelta(minutes=1)
    assert first < second


@only_sqlite
def test_eight_processes_may_open_a_fresh_file_at_once(empty_database_url):
    assert (
        race("open", empty_database_url, 8)
        == [Database.open(empty_database_url).head_version()] * 8
    )


@only_postgresql
def test_four_processes_may_upgrade_at_once(empty_database_url):
    answers = race("upgrade", empty_database_url, 4)
    assert answers == [Database.open(empty_database_url).head_version()] * 4


def race(what, url, processes):
    script = Path(__file__).with_name("race.py")
    done = subprocess.run(
        [sys.executable, script, what, url, str(processes)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return sorted(done.stdout.splitlines())


@only_sqlite
def test_replacing_a_row_fires_the_triggers_of_its_deletion(database):
    with database.read() as conn:
        assert conn.exec_driver_sql("PRAGMA recursive_triggers").scalar() == 1
        assert conn.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert conn.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert conn.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_file_that_may_not_be_written_is_refused(tmp_path):
    path = tmp_path / "x.db"
    sqlite3.connect(path).close()
    with pytest.raises(DatabaseRefused):
        Database.open(f"sqlite:///file:{path}?mode=ro&uri=true")
