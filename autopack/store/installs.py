"""What mitigations installed into a run's environment besides its setup, so that it is repeated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from autopack.model.ids import AttemptKey
from autopack.store import tables
from autopack.store.database.engine import Database, now, reading
from autopack.store.leases import Lease, fence


@dataclass(frozen=True)
class InstallRow:
    """A command that helped, and the folder it ran in, relative to the repository."""

    path: str
    argv: tuple[str, ...]


def record_installs(
    conn: sa.Connection, lease: Lease, key: AttemptKey, installs: Iterable[InstallRow]
) -> None:
    """Keep what was installed for an attempt, in its order. Raises LeaseLost."""
    fence(conn, lease)
    rows = [
        {
            **vars(key),
            "path": one.path,
            "argv": list(one.argv),
            "created_at": now(conn),
        }
        for one in installs
    ]
    if rows:
        conn.execute(sa.insert(tables.installs), rows)


def get_installs(source: Database | sa.Connection, run_id: str) -> list[InstallRow]:
    """Return what was installed besides setup, in the order in which it was."""
    table = tables.installs
    query = sa.select(table.c.path, table.c.argv).where(table.c.run_id == run_id)
    with reading(source) as conn:
        return [
            InstallRow(path, tuple(argv)) for path, argv in conn.execute(query.order_by(table.c.id))
        ]
