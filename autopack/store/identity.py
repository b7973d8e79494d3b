"""Which database this is: a random name that it holds itself, whatever its address is called."""

from __future__ import annotations

import secrets
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import URL

from autopack.model.errors import DatabaseRefused
from autopack.store.columns import UtcDateTime, metadata

# One row, written by the migration that makes the table; changed only where a copy is to be told
# from its original.
database_identity = sa.Table(
    "database_identity",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("identity", sa.String(32), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("number = 1", name="number"),
)

KEY_LENGTH = 12
"""How much of an identity names folders and refs."""


def read_identity(conn: sa.Connection, where: str) -> str:
    """Return the identity that the database holds. Raises DatabaseRefused when it has none yet."""
    try:
        found = conn.scalar(sa.select(database_identity.c.identity))
    except exc.DBAPIError as error:
        if sa.inspect(conn.engine).has_table(database_identity.name):
            raise
        raise _unnamed(where) from error
    if found is None:
        raise _unnamed(where)
    return found


def rename_copy(conn: sa.Connection, where: str) -> tuple[str, str]:
    """Give a copied database an identity of its own; return the one it had and the new one."""
    old, new = read_identity(conn, where), secrets.token_hex(16)
    conn.execute(sa.update(database_identity).values(identity=new))
    return old, new


def _unnamed(where: str) -> DatabaseRefused:
    return DatabaseRefused(
        f"the database {where} has no identity yet",
        field="DATABASE_URL",
        hint="autopack db upgrade",
    )


def place_of(conn: sa.Connection) -> str:
    """Return what tells a database from its copies on the same machine or server, which share its
    identity; the same by whatever path or host name it is reached."""
    if conn.dialect.name == "postgresql":
        query = "SELECT oid FROM pg_database WHERE datname = current_database()"
        return f"{conn.exec_driver_sql(query).scalar_one():x}"
    listed = conn.exec_driver_sql("PRAGMA database_list")
    file = next(row.file for row in listed if row.name == "main")
    return f"{Path(file).stat().st_ino:x}" if file else ""


def address_of(url: URL) -> str:
    """Return the file, or the server and the name, without credentials."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    where = f"{url.host or 'local socket'}:{url.port or 5432}"
    return f"{where}/{url.database}"


def is_same_address(text: str, url: URL) -> bool:
    """Return whether a masked URL that was noted earlier leads where ``url`` does."""
    try:
        noted = sa.make_url(text)
    except (exc.ArgumentError, ValueError):
        return False
    return _leads_to(noted) == _leads_to(url)


def _leads_to(url: URL) -> tuple[str, ...]:
    if url.get_backend_name() == "sqlite":
        return ("sqlite", str(Path(url.database or "").resolve()))
    query = {name: str(value) for name, value in url.query.items()}
    host = url.host or query.get("host", "")
    if host in ("localhost", "127.0.0.1", "::1"):
        host = "localhost"
    port = str(url.port or query.get("port", 5432))
    return (url.get_backend_name(), host, port, str(url.database))
