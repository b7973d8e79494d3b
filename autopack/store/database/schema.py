"""Which schema version a database has, which one this code needs, and how to get there."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from autopack.model.errors import DatabaseRefused

_MIGRATIONS = Path(__file__).parents[1] / "migrations"
_UPGRADE_LOCK = 0x6175746F  # any number that all upgrades of a PostgreSQL database agree on


def known_versions() -> list[str]:
    """Every schema version this code knows, oldest first, from the names of the revisions."""
    files = (_MIGRATIONS / "versions").glob("[0-9]*.py")
    return sorted(path.stem.partition("_")[0] for path in files)


def head_version() -> str:
    """The schema version this code needs."""
    return known_versions()[-1]


def schema_version(conn: sa.Connection) -> str | None:
    """The version the database has; None when it has no schema yet."""
    if not sa.inspect(conn).has_table("alembic_version"):
        return None
    return conn.scalar(sa.text("SELECT version_num FROM alembic_version"))


def oldest_code(conn: sa.Connection) -> str | None:
    """Return the oldest code that may work on this database, by the schema version it needs."""
    if not sa.inspect(conn).has_table("schema_compatibility"):
        return None
    return conn.scalar(sa.text("SELECT oldest_code FROM schema_compatibility"))


def is_newer(version: str | None) -> bool:
    """Return whether ``version`` is one that this code does not know."""
    return version is not None and version not in known_versions()


def check_not_newer(version: str | None, oldest: str | None, where: str) -> None:
    """Raise DatabaseRefused when ``version`` is newer than this code, and ``oldest`` is, too.

    Every migration names the oldest code it supports: a newer database is refused only by code
    that is older than that.
    """
    if is_newer(version) and (oldest is None or oldest > head_version()):
        raise DatabaseRefused(
            f"the database {where} is newer than this Autopack: it has schema {version}, "
            f"and {head_version()} is the newest known here",
            field="DATABASE_URL",
            hint="install the Autopack that made this schema, or name another database",
        )


def upgrade(engine: sa.Engine, where: str) -> None:
    """Bring the schema to the head version in one transaction; harmless when it is there.

    Any number of processes may do this at once: one works, the others wait and find it done.
    On SQLite ``engine`` must have foreign keys off, for its way of altering a table is to copy
    and drop it, which would empty the tables that refer to it.
    """
    with engine.begin() as conn:
        if conn.dialect.name == "postgresql":
            conn.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
        version = schema_version(conn)
        check_not_newer(version, oldest_code(conn), where)
        if version == head_version() or is_newer(version):
            return
        _migrate(conn)
        if conn.dialect.name == "sqlite":
            broken = conn.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
            if broken:
                raise DatabaseRefused(
                    f"the database {where} has {len(broken)} rows that refer to missing ones,"
                    f" first in {broken[0][0]}",
                    hint="restore it from a backup; nothing was changed",
                )


def _migrate(conn: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    # A percent sign would start an interpolation of the configuration.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = conn
    command.upgrade(config, "head")
    revisions = ScriptDirectory.from_config(config).walk_revisions()
    # One that names none supports no code older than itself.
    oldest = max(getattr(one.module, "oldest_code", one.revision) for one in revisions)
    conn.execute(sa.text("DELETE FROM schema_compatibility"))
    conn.execute(
        sa.text("INSERT INTO schema_compatibility (oldest_code) VALUES (:oldest)"),
        {"oldest": oldest},
    )
