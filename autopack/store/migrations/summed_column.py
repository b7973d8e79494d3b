"""Adds a column to the ledger, and its sum to the tables beside it.

A migration may call this, for it knows nothing of today's tables: what there is to add up, it
reads from the database. It rebuilds the triggers and functions as revision 0016 made them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

LEDGER = "llm_usage_events"
SUMS = ("usage_by_run", "usage_by_day")
ARCHIVE = "usage_archive"

_ROLL_UP = """
CREATE OR REPLACE FUNCTION autopack_roll_up_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {statements}
    RETURN NULL;
END $$
"""
_RECORD = """
CREATE OR REPLACE FUNCTION autopack_record_usage(calls json) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE added integer;
BEGIN
    INSERT INTO llm_usage_events ({columns})
    SELECT {values} FROM json_to_recordset(calls) AS call ({typed})
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END $$
"""


def add_ledger_column(column: sa.Column[Any], *, summed: bool = False) -> None:
    """Add ``column``, which may be null; with ``summed`` the tables of sums count it from now on.

    What is in the ledger keeps null there, which adds nothing.
    """
    is_sqlite = op.get_context().dialect.name == "sqlite"
    op.add_column(LEDGER, column)
    if summed:
        for table in (*SUMS, ARCHIVE):
            zero = sa.Column(column.name, sa.BigInteger(), nullable=False, server_default="0")
            op.add_column(table, zero)
        _roll_up(is_sqlite=is_sqlite)
    if not is_sqlite:
        _record()


def _roll_up(*, is_sqlite: bool) -> None:
    """Have the triggers fill every column that the tables of sums have."""
    if is_sqlite:
        statements = [
            f"INSERT INTO {table} ({', '.join(_names(table))}) VALUES "  # noqa: S608
            f"({', '.join(_values(table, 'NEW.', is_sqlite=True))}) {_adding(table)};"
            for table in SUMS
        ]
        op.execute(f"DROP TRIGGER {LEDGER}_roll_up")
        op.execute(
            f"CREATE TRIGGER {LEDGER}_roll_up AFTER INSERT ON {LEDGER} BEGIN "
            f"{' '.join(statements)} END"
        )
        return
    statements = [f"{_filling(table)};" for table in SUMS]
    op.execute(_ROLL_UP.format(statements="\n    ".join(statements)))


def _filling(table: str) -> str:
    """Group new calls into sums, always in the order of the keys, as locks are taken in it."""
    keys = _keys(table)
    values = _values(table, "", is_sqlite=False)
    selected = values[: len(keys)] + [f"SUM({value})::bigint" for value in values[len(keys) :]]
    order = ", ".join(str(number + 1) for number in range(len(keys)))
    return (
        f"INSERT INTO {table} ({', '.join(_names(table))}) "  # noqa: S608
        f"SELECT {', '.join(selected)} FROM fresh WHERE true GROUP BY {order} ORDER BY {order} "
        f"{_adding(table)}"
    )


def _adding(table: str) -> str:
    keys = _keys(table)
    added = [name for name in _names(table) if name not in keys]
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in added)
    return f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sums}"


def _values(table: str, row: str, *, is_sqlite: bool) -> list[str]:
    """Return what one call puts into each column of a table of sums."""
    cost = f"{row}cost"
    if is_sqlite:
        day = f"substr({row}created_at, 1, 10)"
        point = f"instr({cost}, '.')"
        decimals = f"CASE {point} WHEN 0 THEN '' ELSE substr({cost}, {point} + 1) END"
        decimals = f"({decimals} || '000000000000')"
        micro = f"CAST({cost} AS INTEGER) * 1000000 + CAST(substr({decimals}, 1, 6) AS INTEGER)"
        pico = f"CAST(substr({decimals}, 7, 6) AS INTEGER)"
    else:
        day = f"({row}created_at AT TIME ZONE 'UTC')::date"
        micro = f"TRUNC({cost} * 1000000)::bigint"
        pico = f"ROUND(({cost} * 1000000 - TRUNC({cost} * 1000000)) * 1000000)::bigint"
    computed = {
        "day": day,
        "events": "1",
        "unsplit_tokens": f"CASE WHEN {row}input_tokens IS NULL THEN {row}total_tokens ELSE 0 END",
        "cost_microdollars": f"COALESCE({micro}, 0)",
        "cost_picodollars": f"COALESCE({pico}, 0)",
        "unpriced_events": f"CASE WHEN {cost} IS NULL THEN 1 ELSE 0 END",
    }
    keys = _keys(table)
    return [
        computed.get(name) or (f"{row}{name}" if name in keys else f"COALESCE({row}{name}, 0)")
        for name in _names(table)
    ]


def _record() -> None:
    """Have the function that takes calls as JSON know every column of the ledger."""
    columns = _inspector().get_columns(LEDGER)
    typed: list[str] = []
    values: list[str] = []
    for one in columns:
        name = one["name"]
        value, kind = f"call.{name}", one["type"].compile(op.get_context().dialect)
        if name == "created_at":
            # In UTC, or null for the present.
            kind = "timestamp without time zone"
            value = f"COALESCE({value} AT TIME ZONE 'UTC', statement_timestamp())"
        elif one["default"] is not None:
            value = f"COALESCE({value}, {one['default']})"
        typed.append(f"{name} {kind}")
        values.append(value)
    names = ", ".join(one["name"] for one in columns)
    op.execute(_RECORD.format(columns=names, values=", ".join(values), typed=", ".join(typed)))


def _keys(table: str) -> list[str]:
    return list(_inspector().get_pk_constraint(table)["constrained_columns"])


def _names(table: str) -> list[str]:
    """Return the keys of a table, in their order, and then its sums."""
    keys = _keys(table)
    return [*keys, *(c["name"] for c in _inspector().get_columns(table) if c["name"] not in keys)]


def _inspector() -> sa.Inspector:
    return sa.inspect(op.get_bind())
