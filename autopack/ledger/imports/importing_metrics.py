"""One row of an earlier Autopack's metrics as a row of the table of the same name."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, get_args

import sqlalchemy as sa

from autopack.ledger.consolidated import EstimateSource
from autopack.ledger.imports.importing_rows import Row, moment
from autopack.model.errors import BadInput

_ALLOWED = {
    "estimate_source": get_args(EstimateSource),
    "budget_mode": ("semantic", "lexical"),
}


def metric_of(
    table: sa.Table, number: int, row: Row, numbers: Counter[tuple[str, str]]
) -> dict[str, Any]:
    """Row ``number`` with every column of ``table``, None where it says nothing.

    Raises BadInput naming the row.
    """
    key = str(row.get("run_id") or ""), str(row.get("phase_id") or "")
    if not all(key) or max(map(len, key)) > 64:
        raise BadInput(
            f"{table.name}, row {number}: run_id or phase_id is missing or too long",
            field=f"{table.name}, row {number}",
        )
    # The earlier tables had rows in order instead of attempts.
    numbers[key] += 1
    values: dict[str, Any] = {}
    for column in table.c:
        value = row.get(column.name)
        try:
            values[column.name] = None if value in (None, "") else _converted(column, value)
        except (ValueError, TypeError, OverflowError) as error:
            raise BadInput(
                f"{table.name}, row {number}: {column.name} is {value!r}",
                field=f"{table.name}, row {number}.{column.name}",
            ) from error
    values["attempt"] = values["attempt"] or numbers[key]
    return values


def _converted(column: sa.Column[Any], value: Any) -> Any:
    kind = column.type
    if column.name == "created_at":
        return moment(value)
    if isinstance(kind, sa.Boolean):
        return str(value).lower() in ("1", "true", "yes")
    if isinstance(kind, sa.Integer):
        limit = 2**63 if isinstance(kind, sa.BigInteger) else 2**31
        number = int(value)
        if not -limit <= number < limit:
            raise ValueError(value)
        return number
    if isinstance(kind, sa.Float):
        return float(value)
    if isinstance(kind, sa.JSON):
        return _parsed(value)
    if str(value) not in _ALLOWED.get(column.name, (str(value),)):
        raise ValueError(value)
    return str(value)


def _parsed(value: Any) -> Any:
    """JSON as it was meant: the earlier Autopack wrote one warning as plain text."""
    try:
        return json.loads(value)
    except ValueError:
        return [str(value)]
