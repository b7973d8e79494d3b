"""A real PostgreSQL of this test process, whose databases are cheap to have."""

from __future__ import annotations

import itertools
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

_numbers = itertools.count(1)

_SHAPE = """
SELECT md5(string_agg(part, ',' ORDER BY part)) FROM (
    SELECT concat_ws(' ', c.relname, c.relkind, a.attname, a.atttypid, a.attnotnull) AS part
    FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat(tgname, tgenabled) FROM pg_trigger
    UNION ALL SELECT concat(proname, md5(prosrc)) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
) AS parts
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
_PRISTINE = (
    "SELECT tablename FROM pg_tables WHERE schemaname = 'pristine' AND tablename <> 'next_numbers'"
)


class PostgresServer:
    """A real PostgreSQL of this test process; makes databases, empty or copied from a template."""

    def __init__(self, url: sa.URL) -> None:
        self._url = url
        self._restorable: list[str] = []
        self._shape: object = None
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

    def note_content(self, template: str) -> None:
        """Keep, in each copy of ``template``, what its tables hold; none may be open."""
        with self._connected(template) as conn:
            self._shape = conn.exec_driver_sql(_SHAPE).scalar_one()
            conn.exec_driver_sql("CREATE SCHEMA pristine")
            for table in _filled(conn):
                conn.exec_driver_sql(f'CREATE TABLE pristine."{table}" AS TABLE public."{table}"')
            conn.exec_driver_sql(
                "CREATE TABLE pristine.next_numbers AS"
                " SELECT sequencename, start_value, last_value FROM pg_sequences"
                " WHERE schemaname = 'public'"
            )

    def lend(self, template: str) -> str:
        """Return the name of a database that is as ``template`` is.

        Copying one and dropping it again takes half a second; restoring one takes 10 ms.
        """
        return self._restorable.pop() if self._restorable else self.create(template)

    def take_back(self, name: str, *, again: bool) -> None:
        """Have a database as it was for the next test, or drop it."""
        if again and self._restore(name):
            self._restorable.append(name)
        else:
            self.drop(name)

    def _restore(self, name: str) -> bool:
        """Put back what the template holds; return whether the tables are still its tables."""
        with self._connected(name) as conn:
            conn.exec_driver_sql(
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            if conn.exec_driver_sql(_SHAPE).scalar_one() != self._shape:
                return False
            conn.exec_driver_sql("SET session_replication_role = replica")  # without triggers
            for table in _filled(conn):
                conn.exec_driver_sql(f'DELETE FROM public."{table}"')
            for table in conn.exec_driver_sql(_PRISTINE).scalars().all():
                conn.exec_driver_sql(
                    f'INSERT INTO public."{table}" OVERRIDING SYSTEM VALUE'
                    f' SELECT * FROM pristine."{table}"'
                )
            conn.exec_driver_sql(
                "SELECT setval(format('public.%%I', sequencename)::regclass,"
                " coalesce(last_value, start_value), last_value IS NOT NULL)"
                " FROM pristine.next_numbers"
            )
        return True

    @contextmanager
    def _connected(self, name: str) -> Generator[sa.Connection]:
        engine = sa.create_engine(self._url.set(database=name), poolclass=sa.NullPool)
        with engine.begin() as conn:
            yield conn

    def pid(self) -> int:
        """Return the process that all others of the server belong to."""
        with self._admin.connect() as conn:
            path = conn.exec_driver_sql("SHOW data_directory").scalar_one()
        return int((Path(path) / "postmaster.pid").read_text().split()[0])

    def close(self) -> None:
        self._admin.dispose()


def _filled(conn: sa.Connection) -> list[str]:
    tables = conn.exec_driver_sql(_TABLES).scalars().all()
    each = (f"SELECT '{name}' WHERE EXISTS (SELECT FROM public.\"{name}\")" for name in tables)
    return list(conn.exec_driver_sql(" UNION ALL ".join(each)).scalars())
