"""What builders were shown of the repository, an attempt a row."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import sqlalchemy as sa

from autopack.model.ids import AttemptKey
from autopack.store.database.engine import insert_new, now
from autopack.store.leases import Lease, fence
from autopack.store.tables.rollups import token_efficiency_metrics as table


@dataclass(frozen=True)
class PackFigures:
    """The figures of one pack, named as in the table."""

    artifact_substitutions: int
    budget_mode: str
    budget_used: int
    budget_cap: int
    files_kept: int
    files_omitted: int
    context_files_total: int


def record_pack(conn: sa.Connection, lease: Lease, key: AttemptKey, figures: PackFigures) -> None:
    """Keep what the build that begins is shown; of one that begins again, its last pack.

    What its outlines save is not known before it ended. Raises LeaseLost.
    """
    fence(conn, lease)
    values = {**asdict(figures), "tokens_saved_artifacts": None}
    conn.execute(insert_new(conn, table).values(**vars(key), **values, created_at=now(conn)))
    conn.execute(sa.update(table).where(*_is(key)).values(values))


def record_saving(conn: sa.Connection, lease: Lease, key: AttemptKey, tokens: int) -> None:
    """Keep what the outlines of an attempt's pack saved, as modelled. Raises LeaseLost."""
    fence(conn, lease)
    conn.execute(sa.update(table).where(*_is(key)).values(tokens_saved_artifacts=tokens))


def _is(key: AttemptKey) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in vars(key).items()]
