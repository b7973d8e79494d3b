"""The tables of Prefect's server on SQLite, as its migrations leave them: `prefect_schema.sql`.

A new database takes Prefect some two hundred migrations, half of what a server needs to start.
For the release that the file was written for, one script does the same; any other one migrates.

`python -m deployments.prefect_schema` writes the file again, for the release that is installed.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

FILE = Path(__file__).with_name("prefect_schema.sql")
_FIRST_LINE = "-- Prefect {}"


def make_tables(database: Path) -> bool:
    """Make the tables in a database that has none; False where Prefect is to make them."""
    try:
        script = FILE.read_text(encoding="utf-8")
    except OSError:
        return False
    if not script.startswith(_FIRST_LINE.format(version("prefect")) + "\n"):
        return False
    with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None:
            connection.execute("ROLLBACK")
            return False
        for statement in script.split(";\n"):
            connection.execute(statement)
        connection.execute("COMMIT")
    return True


def described(database: Path) -> str:
    """Return the script that makes the tables of a database that Prefect has migrated."""
    with closing(sqlite3.connect(database)) as connection:
        # Not as they were made: some migrations make indexes in any order.
        made = connection.execute(
            "SELECT sql FROM sqlite_master WHERE sql NOT NULL ORDER BY type <> 'table', name"
        )
        statements = [row[0] for row in made]
        [revision] = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    statements.append(f"INSERT INTO alembic_version VALUES ('{revision}')")  # noqa: S608
    return _FIRST_LINE.format(version("prefect")) + "\n" + ";\n".join(statements) + ";\n"


def migrate(database: Path) -> None:
    """Have Prefect make its tables in a new database."""
    from prefect.server.database.dependencies import provide_database_interface
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings

    url = f"sqlite+aiosqlite:///{database}"
    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: url}):
        asyncio.run(provide_database_interface().create_db())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PREFECT_HOME"] = folder
        migrate(Path(folder) / "prefect.db")
        FILE.write_text(described(Path(folder) / "prefect.db"), encoding="utf-8")
