"""The database: opening it, reading, and writing in retried transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL

from autopack.clock import Clock, SystemClock
from autopack.model.errors import DatabaseRefused
from autopack.store import identity as identities
from autopack.store.database import connecting, network_folders, pools, schema
from autopack.store.tables import UtcDateTime

T = TypeVar("T")

_BUSY_SECONDS = 60.0
# Two thirds of a lease, like the patience of who renews it.
_OUTAGE_SECONDS = 30.0
_OUTAGE_LOOK_SECONDS = 0.25
_SERVER_TIME = sa.select(sa.func.clock_timestamp(type_=UtcDateTime))


class Database:
    """One application database. Safe to share between threads, not across a fork."""

    def __init__(self, url: URL, *, clock: Clock, busy_seconds: float) -> None:
        self._url = url
        self._pool: pools.Pool | None = pools.join(url, busy_seconds=busy_seconds)
        self._engine = self._pool.engine.execution_options(clock=clock)
        self._reader = self._engine.execution_options(**_reading(url))
        self._busy_seconds = busy_seconds
        self._outage_seconds = self._crowd_seconds = 0.0

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: Clock | None = None,
        check_schema: bool = True,
        busy_seconds: float = _BUSY_SECONDS,
        outage_seconds: float = _OUTAGE_SECONDS,
    ) -> Database:
        """Connect, and see that the schema fits this code.

        SQLite upgrades itself; PostgreSQL is refused until ``autopack db upgrade`` has run.
        ``busy_seconds`` is how long a writer waits for others (a lease is renewed with less),
        ``outage_seconds`` how long everybody waits for a server that went away meanwhile, or has
        no connection to spare.
        ``check_schema=False`` leaves the schema alone, for the commands that look after it.
        Raises DatabaseRefused.
        """
        parsed = connecting.parse_url(url)
        db = cls(parsed, clock=clock or SystemClock(), busy_seconds=busy_seconds)
        db._crowd_seconds = outage_seconds
        try:
            version = db.schema_version()
            if check_schema:
                db._require_head(version)
        except BaseException:
            db.close()
            raise
        if db.dialect == "postgresql":
            db._outage_seconds = outage_seconds  # it was there: it will come back
        else:
            network_folders.warn_of(Path(parsed.database or ""))
        return db

    def _require_head(self, version: str | None) -> None:
        if version == self.head_version():
            return
        if schema.is_newer(version):
            with self.read() as conn:
                schema.check_not_newer(version, schema.oldest_code(conn), self.url_masked)
            return
        if self.dialect == "sqlite":
            self.upgrade()
            return
        state = "no schema yet" if version is None else f"schema {version}"
        raise DatabaseRefused(
            f"the database {self.url_masked} has {state}, this Autopack needs"
            f" {self.head_version()}",
            field="DATABASE_URL",
            hint="autopack db upgrade",
        )

    @contextmanager
    def read(self) -> Generator[sa.Connection, None, None]:
        """Yield a connection that sees one snapshot and blocks no writer."""
        with self._refusing(), self._outlasting(self._reader.connect) as conn:
            yield conn

    def transact(self, fn: Callable[[sa.Connection], T]) -> T:
        """Run ``fn`` in one write transaction and return its result.

        ``fn`` runs again when the database asks for it (a deadlock, a lock not got) or restarts
        before the transaction is to be committed, so it must do nothing that cannot be repeated.
        Gives up after 10 tries or ``busy_seconds``, or an outage of half a minute. Where the
        connection breaks in the commit itself nobody knows whether it was done: DatabaseRefused.
        """
        import stamina

        def once() -> T:
            with self._engine.connect() as conn:
                with conn.begin() as transaction:
                    result = fn(conn)
                    try:
                        transaction.commit()
                    except exc.DBAPIError as error:
                        if connecting.is_outage(error):
                            raise connecting.refusal(self._url, error) from error
                        raise
                return result

        retrying = stamina.RetryingCaller(
            attempts=10,
            timeout=self._busy_seconds,
            wait_initial=0.02,
            wait_max=1.0,
            wait_jitter=0.1,
        )
        with self._refusing():
            return self._outlasting(lambda: retrying(_is_worth_retrying, once))

    def _outlasting(self, work: Callable[[], T]) -> T:
        """Do ``work`` again while the database is away or admits no more, for as long as that is
        waited for.
        """
        began = time.monotonic()
        while True:
            try:
                return work()
            except exc.DBAPIError as error:
                if time.monotonic() >= began + self._patience(error):
                    raise
            time.sleep(_OUTAGE_LOOK_SECONDS)

    def _patience(self, error: exc.DBAPIError) -> float:
        if connecting.is_crowded(error):
            return self._crowd_seconds
        return self._outage_seconds if connecting.is_outage(error) else 0.0

    def now(self, conn: sa.Connection) -> datetime:
        """Return the current time, aware, UTC; see `now`."""
        return now(conn)

    def upgrade(self) -> None:
        """Bring the schema to the version this code needs. Raises DatabaseRefused."""
        engine = connecting.create_engine(
            self._url, busy_seconds=self._busy_seconds, foreign_keys=False
        )
        try:
            with self._refusing(exc.DBAPIError):
                schema.upgrade(engine, self.url_masked)
        finally:
            engine.dispose()

    def schema_version(self) -> str | None:
        """The schema version the database has; None before its first upgrade."""
        with self._refusing(exc.DBAPIError), self.read() as conn:
            return schema.schema_version(conn)

    def head_version(self) -> str:
        """The schema version this code needs."""
        return schema.head_version()

    @property
    def url_masked(self) -> str:
        """The URL without its password."""
        return connecting.masked(self._url)

    @cached_property
    def identity(self) -> str:
        """The random name that the database holds, the same at whatever address it is reached.

        Raises DatabaseRefused when it was not upgraded so far.
        """
        with self.read() as conn:
            return identities.read_identity(conn, self.url_masked)

    @property
    def key(self) -> str:
        """As much of the identity as names folders and refs."""
        return self.identity[: identities.KEY_LENGTH]

    @cached_property
    def mark(self) -> str:
        """What processes that work for it carry: its identity, and what tells it from a copy."""
        with self.read() as conn:
            return f"{self.identity}-{identities.place_of(conn)}"

    @property
    def address(self) -> str:
        """Its file, or its server and name, without credentials.

        Earlier versions took it for the identity, and marked processes with it.
        """
        return identities.address_of(self._url)

    def is_at(self, noted: str) -> bool:
        """Return whether a masked URL that was noted earlier leads to this database."""
        return identities.is_same_address(noted, self._url)

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        return "sqlite" if self._url.get_backend_name() == "sqlite" else "postgresql"

    def close(self) -> None:
        """Give the connections back that nobody else in this process uses."""
        if self._pool is not None:
            pools.leave(self._pool)
            self._pool = None

    @contextmanager
    def _refusing(self, *errors: type[Exception]) -> Generator[None, None, None]:
        """Turn a database that is away, locked or full into a DatabaseRefused."""
        try:
            yield
        except (exc.OperationalError, exc.TimeoutError, *errors) as error:
            raise connecting.refusal(self._url, error) from error


def now(conn: sa.Connection) -> datetime:
    """Return the time by the clock that all holders of a database share, aware, UTC.

    On PostgreSQL that is the server's, which machines with different clocks agree on; on SQLite
    the clock the database was opened with.
    """
    if conn.dialect.name == "postgresql":
        return conn.execute(_SERVER_TIME).scalar_one()
    clock: Clock = conn.get_execution_options()["clock"]
    return clock.now()


def uptime(conn: sa.Connection) -> float:
    """Seconds by the clock of the machine, which setting its time of day does not move."""
    clock: Clock = conn.get_execution_options()["clock"]
    return clock.uptime()


def now_in_sql(conn: sa.Connection) -> datetime | sa.ColumnElement[datetime]:
    """Return the same as a value for a statement, which spares a question to the server."""
    if conn.dialect.name == "postgresql":
        return sa.func.clock_timestamp(type_=UtcDateTime)
    return now(conn)


@contextmanager
def reading(source: Database | sa.Connection) -> Generator[sa.Connection, None, None]:
    """Yield a connection to read from: the one given, or a snapshot of the database given."""
    if isinstance(source, Database):
        with source.read() as conn:
            yield conn
    else:
        yield source


def insert_new(conn: sa.Connection, table: sa.Table) -> sa.Insert:
    """Return an INSERT that skips rows whose key is already there."""
    if conn.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # 0.1 s that SQLite does not need

        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def _reading(url: URL) -> dict[str, object]:
    if url.get_backend_name() == "sqlite":
        return {"read_only": True}
    return {
        "read_only": True,
        "postgresql_readonly": True,
        "isolation_level": "REPEATABLE READ",
    }


def _is_worth_retrying(error: Exception) -> bool:
    return isinstance(error, exc.DBAPIError) and connecting.is_contention(error.orig)
