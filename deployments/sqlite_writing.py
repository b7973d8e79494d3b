"""Prefect's server on SQLite: a transaction that may write takes its turn when it begins.

As Prefect has it, a transaction that has read cannot write any more once another one has
committed in between; SQLite says so at once, whatever its patience, the server answers 503, and
the client waits two seconds. Begun as a writer, it waits for the others, which takes milliseconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import MODELS_DEPENDENCIES
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

from deployments.prefect_schema import make_tables


@dataclass
class _Turn:
    """A transaction that was begun as a writer, and the connection that has it."""

    connection: object = None


_turn: ContextVar[_Turn | None] = ContextVar("_turn", default=None)


class WritersTakeTurns(AioSqliteConfiguration):
    """SQLite whose transactions begin as writers, all but what is read inside another one."""

    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        """Begin a transaction, which ends with the block."""
        if _turn.get() is not None:  # it would wait for the one around it
            async with super().begin_transaction(session, with_for_update) as transaction:
                yield transaction
            return
        token = _turn.set(_Turn())
        try:
            async with super().begin_transaction(session, with_for_update=True) as transaction:
                yield transaction
        finally:
            _turn.reset(token)

    def begin_sqlite_stmt(self, conn: sa.Connection) -> None:
        """Begin on a connection; on another one than the writer's, as a reader."""
        turn, mine = _turn.get(), conn.connection.dbapi_connection
        if turn is not None and turn.connection is None:
            turn.connection = mine
        if turn is None or turn.connection is mine:
            super().begin_sqlite_stmt(conn)
        else:
            conn.exec_driver_sql("BEGIN DEFERRED")


def prepare_sqlite() -> None:
    """Have writers take turns, and make the tables of a new database, where the server of this
    process keeps its data in SQLite.
    """
    url = sa.make_url(PREFECT_API_DATABASE_CONNECTION_URL.value() or "sqlite://")
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return
    whole = url.render_as_string(hide_password=False)
    MODELS_DEPENDENCIES["database_config"] = WritersTakeTurns(connection_url=whole)
    with suppress(OSError, sqlite3.Error):  # what is wrong with it is for Prefect to say
        make_tables(Path(url.database))
