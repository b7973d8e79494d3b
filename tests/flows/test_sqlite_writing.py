"""Transactions of Prefect's server on SQLite: none fails because another one wrote meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from prefect.server.database.configurations import AioSqliteConfiguration
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from deployments.sqlite_writing import WritersTakeTurns

COUNT = sa.text("SELECT coalesce(sum(number), 0) FROM counted")


class Server:
    """The sessions of a server, as Prefect's has them."""

    def __init__(self, database: AioSqliteConfiguration) -> None:
        self._database = database

    @asynccontextmanager
    async def session(self, *, writing: bool) -> AsyncGenerator[AsyncSession]:
        async with await self._database.session(await self._database.engine()) as session:
            if not writing:
                yield session
                return
            async with self._database.begin_transaction(session):
                yield session

    async def add(self, number: int) -> None:
        """Read, do something else, and write: what most requests come to."""
        async with self.session(writing=True) as session:
            await session.execute(COUNT)
            await asyncio.sleep(0.005)
            await session.execute(sa.text(f"INSERT INTO counted VALUES ({number})"))

    async def count(self) -> int:
        async with self.session(writing=False) as session:
            return int((await session.execute(COUNT)).scalar_one())


@pytest.fixture
def url(tmp_path: Path) -> str:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'server.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE counted (number INTEGER)"))
    engine.dispose()
    return f"sqlite+aiosqlite:///{tmp_path / 'server.db'}"


async def test_writers_that_meet_wait_for_each_other(url: str) -> None:
    server = Server(WritersTakeTurns(connection_url=url))
    await asyncio.gather(*(server.add(1) for _ in range(12)))
    assert await server.count() == 12


async def test_without_turns_they_fail(url: str) -> None:
    server = Server(AioSqliteConfiguration(connection_url=url))
    with pytest.raises(OperationalError, match="locked"):
        await asyncio.gather(*(server.add(1) for _ in range(12)))


async def test_what_reads_inside_a_transaction_does_not_wait_for_it(url: str) -> None:
    server = Server(WritersTakeTurns(connection_url=url))
    async with asyncio.timeout(30), server.session(writing=True) as outer:
        await outer.execute(sa.text("INSERT INTO counted VALUES (5)"))
        assert await server.count() == 0, "of a transaction that has not ended"
        async with server.session(writing=True) as inner:
            assert (await inner.execute(COUNT)).scalar_one() == 0
    assert await server.count() == 5


async def test_a_transaction_that_fails_leaves_the_turn_to_the_next(url: str) -> None:
    server = Server(WritersTakeTurns(connection_url=url))
    with pytest.raises(OperationalError, match="no such table"):
        async with server.session(writing=True) as session:
            await session.execute(sa.text("INSERT INTO elsewhere VALUES (1)"))
    await server.add(3)
    assert await server.count() == 3
