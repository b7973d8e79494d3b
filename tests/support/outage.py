"""A database server that is away for a while, as when it restarts."""

from __future__ import annotations

import sqlalchemy as sa


class Outage:
    """A PostgreSQL database that takes no connections for a while."""

    def __init__(self, url: str) -> None:
        self._name = sa.make_url(url).database
        self._admin = sa.create_engine(
            sa.make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT"
        )

    def begin(self) -> None:
        with self._admin.connect() as conn:
            conn.exec_driver_sql(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false")
            conn.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
                ),
                {"name": self._name},
            )

    def end(self) -> None:
        with self._admin.connect() as conn:
            conn.exec_driver_sql(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")
