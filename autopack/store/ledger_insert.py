"""The statement that puts calls into the ledger, in the form that each driver takes fastest.

SQLAlchemy's own inserts cost several times what the database needs for them. SQLite gets tuples,
PostgreSQL all rows as one JSON text: one statement, so that its triggers fire once a batch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from autopack.store.engine import now
from autopack.store.tables import llm_usage_events, storable

if TYPE_CHECKING:
    from autopack.store.usage import UsageEvent

# What sums of money are exact to; no price list goes below a millionth of a dollar a million.
PICODOLLAR = Decimal("1e-12")

_COLUMNS = tuple(column.name for column in llm_usage_events.c)
_CONVERTED = ("cost", "created_at")
_AS_THEY_ARE = tuple(name for name in _COLUMNS if name not in _CONVERTED)
_TEXTS = tuple(column.name for column in llm_usage_events.c if isinstance(column.type, sa.String))
_values_as_they_are = attrgetter(*_AS_THEY_ARE)
_texts = attrgetter(*_TEXTS)


def insert_events(conn: sa.Connection, events: Sequence[UsageEvent]) -> int:
    """Insert ``events``, skipping those whose key is known, and return how many were new.

    An event without a time gets the present one, by the clock that `now` reads.
    """
    if conn.dialect.name == "sqlite":
        at = now(conn)
        rows = [_tuple(_sound(event), at) for event in events]
        return conn.exec_driver_sql(_insert_sqlite(), rows).rowcount
    return conn.exec_driver_sql(_insert_postgresql(), (_json(events),)).rowcount


def _sound(event: UsageEvent) -> UsageEvent:
    """The same with what no engine stores replaced in its texts: NUL and lone surrogates."""
    if "".join(filter(None, _texts(event))).isprintable():
        return event
    texts = {name: getattr(event, name) for name in _TEXTS}
    return replace(event, **{name: text and storable(text) for name, text in texts.items()})


def _tuple(event: UsageEvent, at: datetime) -> tuple[Any, ...]:
    return (*_values_as_they_are(event), _cost(event), _moment(event.created_at or at))


def _json(events: Sequence[UsageEvent]) -> str:
    return json.dumps([_object(_sound(event)) for event in events])


def _object(event: UsageEvent) -> dict[str, Any]:
    at = event.created_at
    return {**vars(event), "cost": _cost(event), "created_at": None if at is None else _moment(at)}


def _cost(event: UsageEvent) -> str | None:
    return None if event.cost is None else format(event.cost.quantize(PICODOLLAR), "f")


def _moment(at: datetime) -> str:
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone")
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat(" ", "microseconds")[:26]


@cache
def _insert_sqlite() -> str:
    columns = (*_AS_THEY_ARE, *_CONVERTED)
    marks = ", ".join("?" * len(columns))
    return (
        f"INSERT INTO llm_usage_events ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
        " ON CONFLICT DO NOTHING"
    )


@cache
def _insert_postgresql() -> str:
    """Takes one parameter: a JSON array of objects whose times are in UTC, or null."""
    from sqlalchemy.dialects import postgresql

    dialect = postgresql.dialect()
    typed = {name: column.type.compile(dialect) for name, column in llm_usage_events.c.items()}
    typed["created_at"] = "timestamp without time zone"
    selected = [
        "COALESCE(event.created_at AT TIME ZONE 'UTC', statement_timestamp())"
        if name == "created_at"
        else f"event.{name}"
        for name in _COLUMNS
    ]
    return (
        f"INSERT INTO llm_usage_events ({', '.join(_COLUMNS)}) SELECT {', '.join(selected)}"  # noqa: S608
        " FROM json_to_recordset(%s::json) AS event"
        f"({', '.join(f'{name} {kind}' for name, kind in typed.items())})"
        " ON CONFLICT DO NOTHING"
    )
