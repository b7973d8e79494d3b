"""Opens an SQLAlchemy engine for a database URL, and says in one line why one will not open."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL

from autopack.files import private
from autopack.model.errors import DatabaseRefused
from autopack.model.locations import is_folder

_HINT = "DATABASE_URL is sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
# deadlock_detected, serialization_failure, lock_not_available
_CONTENTION_SQLSTATES = frozenset({"40P01", "40001", "55P03"})
# connection_exception, operator intervention (a restart), idle_in_transaction_session_timeout
_OUTAGE_SQLSTATES = ("08", "57P0", "25P03")
# Who is not admitted is told no SQLSTATE: of a server, of a role or database, of a pooler.
_CROWDED = (
    "too many clients",
    "remaining connection slots",
    "too many connections",
    "no more connections allowed",
)
_FROZEN_MILLISECONDS = 120_000
_SECRETS = ("password", "sslpassword")  # libpq takes them in the query, too


def parse_url(text: str) -> URL:
    """Return the URL with the driver used here and, for SQLite, an absolute path.

    Raises DatabaseRefused for anything but a file of SQLite or a database of PostgreSQL.
    """
    try:
        url = sa.make_url(text)
    except (exc.ArgumentError, ValueError) as error:
        raise DatabaseRefused(
            "the database URL cannot be read", field="DATABASE_URL", hint=_HINT
        ) from error
    match url.drivername.partition("+")[0]:
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case "sqlite":
            return _sqlite_file(url)
        case other:
            raise DatabaseRefused(
                f"{other!r} databases are not supported", field="DATABASE_URL", hint=_HINT
            )


def _sqlite_file(url: URL) -> URL:
    name = url.database or ""
    if name in ("", ":memory:") or "mode=memory" in name or url.query.get("mode") == "memory":
        raise DatabaseRefused(
            "a database in memory would forget every run", field="DATABASE_URL", hint=_HINT
        )
    if not name.startswith("file:"):
        name = str(Path(name).absolute())  # connections opened later must not depend on the cwd
    return url.set(drivername="sqlite+pysqlite", database=name)


def _file_of(url: URL) -> Path:
    """Return the file of an SQLite database, also where it is named by a URI of SQLite's own."""
    name = url.database or ""
    return Path(unquote(urlsplit(name).path) if name.startswith("file:") else name)


def masked(url: URL) -> str:
    """Return the URL as it may be shown: without driver and password."""
    hidden = {key: "***" for key in url.query if key in _SECRETS}
    plain = url.set(drivername=url.get_backend_name()).update_query_dict(hidden)
    return plain.render_as_string(hide_password=True)


def refusal(url: URL, error: Exception) -> DatabaseRefused:
    """One line about a database that cannot be used, without its password."""
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig else error
    reason = " ".join(str(cause).split()) or type(cause).__name__
    for secret in (url.password, *(url.query.get(key) for key in _SECRETS)):
        if isinstance(secret, str) and secret:
            reason = reason.replace(secret, "***")
    hint = "check DATABASE_URL and that the server is running"
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        hint = "check DATABASE_URL and who may write to the file and its folder"
        if is_folder(path):
            reason = "it is a folder"
        elif not is_folder(path.parent) and not str(path).startswith("file:"):
            reason = "its folder does not exist"
    if isinstance(error, exc.DBAPIError) and is_crowded(error):
        hint = "raise its limit of connections, or have less run at once"
    if is_contention(cause):
        hint = "other processes are writing to it: try again"
    return DatabaseRefused(
        f"the database {masked(url)} cannot be used: {reason}", field="DATABASE_URL", hint=hint
    )


def create_engine(url: URL, *, busy_seconds: float, foreign_keys: bool = True) -> sa.Engine:
    """Return an engine whose writers wait up to ``busy_seconds`` for one another."""
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, busy_seconds, foreign_keys=foreign_keys)
    milliseconds = int(busy_seconds * 1000)
    return sa.create_engine(
        url,
        pool_pre_ping=True,
        pool_size=5,
        # Of threads that work at once; nothing else shares it (see `pools`).
        max_overflow=30,
        connect_args={
            # libpq takes less than 2 for 2, and 0 for ever
            "connect_timeout": max(2, min(10, int(busy_seconds))),
            "options": f"{url.query.get('options', '')} -c lock_timeout={milliseconds}"
            # A process that is frozen in a transaction holds its locks no longer than this.
            f" -c idle_in_transaction_session_timeout={_FROZEN_MILLISECONDS}".strip(),
        },
    )


def _sqlite_engine(url: URL, busy_seconds: float, *, foreign_keys: bool) -> sa.Engine:
    engine = sa.create_engine(
        # Those beyond the pool are opened for one use, which costs more than most queries do.
        url,
        pool_size=10,
        max_overflow=15,
        connect_args={"timeout": busy_seconds},
    )
    pragmas = (
        f"foreign_keys={'ON' if foreign_keys else 'OFF'}",
        "synchronous=FULL",
        "cache_size=-16384",  # 16 MB; with the usual 2 a batch of 5,000 calls takes a quarter more
        "recursive_triggers=ON",  # else INSERT OR REPLACE passes an append-only trigger
    )

    file = _file_of(url)

    @event.listens_for(engine, "do_connect")
    def _(*_: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        private.have_database(file, make=url.query.get("mode") in (None, "rwc"))

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None  # the begin hook below opens transactions
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        _use_wal(connection)

    @event.listens_for(engine, "begin")
    def _(connection: sa.Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        reading = connection.get_execution_options().get("read_only")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; once switched, a file stays so.

    SQLite's busy timeout does not cover the switch itself, which processes that open a new file
    at once all try.
    """

    def is_switched() -> bool:
        return connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"

    def switch() -> None:
        if not is_switched():
            connection.execute("PRAGMA journal_mode=WAL")

    try:
        if is_switched():
            return
    except sqlite3.Error as error:
        if not is_contention(error):
            raise
    import stamina

    retrying = stamina.RetryingCaller(attempts=100, timeout=20, wait_initial=0.01, wait_max=0.2)
    retrying(is_contention, switch)


def is_outage(error: exc.DBAPIError) -> bool:
    """Return whether the server is away, or ended the connection: it may be there again in a
    moment.

    A server also ends the transaction of a client that was frozen in it; see `create_engine`.
    """
    if isinstance(error.orig, sqlite3.Error):
        return False
    sqlstate: str | None = getattr(error.orig, "sqlstate", None)
    if sqlstate is None:  # there is no connection that could have told one
        return isinstance(error, exc.OperationalError)
    return error.connection_invalidated or sqlstate.startswith(_OUTAGE_SQLSTATES)


def is_crowded(error: exc.DBAPIError) -> bool:
    """Return whether the server is there, and has no connection to spare for this one."""
    said = str(error.orig)
    return isinstance(error, exc.OperationalError) and any(words in said for words in _CROWDED)


def is_contention(error: BaseException | None) -> bool:
    """Return whether the driver gave up because of other connections, so that trying again may
    help.
    """
    if isinstance(error, sqlite3.OperationalError):
        return "locked" in str(error)
    return getattr(error, "sqlstate", None) in _CONTENTION_SQLSTATES
