"""Circuits in the database, shared by every process; a call is never made under their lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from autopack.model.circuit import (
    RULES,
    Admission,
    Circuit,
    CircuitRules,
    CircuitState,
    admit,
    report,
)
from autopack.store import tables
from autopack.store.database.engine import Database, insert_new, now

T = TypeVar("T")


def admit_call(db: Database, name: str, rules: CircuitRules = RULES) -> Admission:
    """Ask whether a call of the provider ``name`` may be made now."""
    return _change(db, name, lambda circuit, at: admit(circuit, at, rules))


def report_call(
    db: Database, admission: Admission, *, error: str | None, rules: CircuitRules = RULES
) -> CircuitState | None:
    """Say how an admitted call ended; the state it turned the circuit to, None when to none."""

    def change(circuit: Circuit, at: datetime) -> tuple[Circuit, CircuitState | None]:
        after = report(circuit, admission, at, error=error, rules=rules)
        return after, after.state if after.state is not circuit.state else None

    return _change(db, admission.name, change)


def list_circuits(db: Database) -> list[Circuit]:
    """Return every circuit that was ever asked, by name. Changes nothing."""
    table = tables.circuits
    with db.read() as conn:
        rows = conn.execute(sa.select(table).order_by(table.c.name)).mappings().all()
    return [_circuit(row) for row in rows]


def _change(db: Database, name: str, change: Callable[[Circuit, datetime], tuple[Circuit, T]]) -> T:
    """Replace the circuit by what ``change`` makes of it; one process at a time."""
    table = tables.circuits

    def write(conn: sa.Connection) -> T:
        new = Circuit(name, now(conn))
        conn.execute(insert_new(conn, table).values(**asdict(new)))
        row = conn.execute(
            sa.select(table).where(table.c.name == name).with_for_update()
        ).mappings()
        # The time after the wait for others, not before it.
        circuit, answer = change(_circuit(row.one()), now(conn))
        conn.execute(sa.update(table).where(table.c.name == name).values(**asdict(circuit)))
        return answer

    return db.transact(write)


def _circuit(row: sa.RowMapping) -> Circuit:
    values: dict[str, Any] = {**row, "state": CircuitState(row["state"])}
    return Circuit(**values)
