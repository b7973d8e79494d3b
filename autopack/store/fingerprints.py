"""Keeps the fingerprint that each run starts with: written once, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from autopack.model.fingerprint import Fingerprint
from autopack.store.database.engine import insert_new, reading
from autopack.store.leases import Lease, fence
from autopack.store.reading import Source
from autopack.store.tables.experiments import run_fingerprints as table


def record_fingerprint(conn: sa.Connection, lease: Lease, fingerprint: Fingerprint) -> None:
    """Keep what the run starts from; one that is kept already stays. Raises LeaseLost."""
    fence(conn, lease)
    values: dict[str, Any] = asdict(fingerprint)
    if fingerprint.features is not None:
        values["features"] = list(fingerprint.features)
    conn.execute(insert_new(conn, table).values(run_id=lease.run_id, **values))


def has_fingerprint(source: Source, run_id: str) -> bool:
    """Return whether the run's fingerprint was taken."""
    with reading(source) as conn:
        return conn.scalar(sa.select(table.c.run_id).where(table.c.run_id == run_id)) is not None


def get_fingerprints(source: Source, run_ids: Iterable[str]) -> dict[str, Fingerprint]:
    """The fingerprints of those of the runs that have one."""
    query = sa.select(table).where(table.c.run_id.in_(list(run_ids)))
    with reading(source) as conn:
        rows = conn.execute(query).mappings().all()
    return {row["run_id"]: _of(row) for row in rows}


def _of(row: sa.RowMapping) -> Fingerprint:
    values: dict[str, Any] = {name: value for name, value in row.items() if name != "run_id"}
    if values["features"] is not None:
        values["features"] = tuple(values["features"])
    return Fingerprint(**values)
