"""However much a process opens at one PostgreSQL, it holds few of the server's connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from autopack.model.errors import DatabaseRefused
from autopack.store import Database
from autopack.store.database import connecting

_KEPT = 5


@pytest.fixture
def engine_name() -> str:
    return "postgresql"


@pytest.fixture
def url(database_url: str) -> URL:
    return connecting.parse_url(database_url)


def connections(url: URL) -> int:
    """How many the server has for this database, apart from the one that asks."""
    asking = sa.create_engine(url, poolclass=sa.NullPool)
    with asking.connect() as conn:
        counted = conn.scalar(
            sa.text(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    return counted or 0


def version(db: Database) -> str | None:
    return db.schema_version()


def test_fifty_that_are_open_share_what_their_threads_use(database_url: str, url: URL) -> None:
    opened = [Database.open(database_url) for _ in range(50)]
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(version, opened * 4))) == 1
    assert 1 <= connections(url) <= _KEPT
    for db in opened[1:]:
        db.close()
        db.close()  # once counts
    assert version(opened[0]) is not None
    opened[0].close()
    assert connections(url) == 0


def test_who_waits_less_for_others_has_connections_of_its_own(database_url: str, url: URL) -> None:
    patient, hasty = Database.open(database_url), Database.open(database_url, busy_seconds=5)
    waits: list[str] = []
    for db in (patient, hasty):
        with db.read() as conn:
            waits.append(conn.scalar(sa.text("SHOW lock_timeout")) or "")
    assert waits == ["1min", "5s"]
    patient.close()
    assert version(hasty) is not None
    hasty.close()
    assert connections(url) == 0


def test_what_is_forgotten_unclosed_keeps_nothing(database_url: str, url: URL) -> None:
    version(Database.open(database_url))
    again = Database.open(database_url)
    again.close()
    assert version(again) is not None  # and may be used again


@pytest.fixture
def crowded(database_url: str, url: URL) -> Iterator[tuple[str, psycopg.Connection]]:
    """The URL of a role that may connect once, and the connection that it has."""
    owner = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    role = f"crowded_{url.database}".replace("-", "_")
    with owner.connect() as conn:
        conn.exec_driver_sql(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'pw' CONNECTION LIMIT 1")
        conn.exec_driver_sql(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{role}"')
    theirs = url.set(username=role, password="pw")
    plain = theirs.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as taken:
        yield plain, taken
    with owner.connect() as conn:
        conn.exec_driver_sql(f'DROP OWNED BY "{role}"')
        conn.exec_driver_sql(f'DROP ROLE "{role}"')
    owner.dispose()


def test_a_server_without_a_connection_to_spare_is_waited_for(
    crowded: tuple[str, psycopg.Connection],
) -> None:
    url, taken = crowded
    freed = threading.Timer(0.6, taken.close)
    freed.start()
    db = Database.open(url)
    assert version(db) is not None
    db.close()
    freed.join()


def test_for_so_long_and_then_it_is_said(crowded: tuple[str, psycopg.Connection]) -> None:
    url, _ = crowded
    with pytest.raises(DatabaseRefused, match="too many connections") as refused:
        Database.open(url, outage_seconds=0.3)
    assert refused.value.hint == "raise its limit of connections, or have less run at once"
