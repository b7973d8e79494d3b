"""Putting calls into the ledger, in the form that each driver takes fastest.

SQLAlchemy's own inserts cost several times what the database needs for them. SQLite gets tuples,
PostgreSQL all rows as one JSON text: one statement, so that its triggers fire once a batch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import exc

from autopack.store.database.connecting import is_contention
from autopack.store.database.engine import now
from autopack.store.tables import llm_usage_events, storable

if TYPE_CHECKING:
    from autopack.store.usage_event import UsageEvent

# What sums of money are exact to; no price list goes below a millionth of a dollar a million.
PICODOLLAR = Decimal("1e-12")

# What one event may say at most: nine million of the largest still fit into a sum.
MOST_TOKENS = 10**12
MOST_DOLLARS = Decimal(10**7)

_COLUMNS = tuple(column.name for column in llm_usage_events.c)
_CONVERTED = ("cost", "created_at")
_AS_THEY_ARE = tuple(name for name in _COLUMNS if name not in _CONVERTED)
_TEXTS = tuple(column.name for column in llm_usage_events.c if isinstance(column.type, sa.String))
_INSERT_SQLITE = (
    f"INSERT INTO llm_usage_events ({', '.join((*_AS_THEY_ARE, *_CONVERTED))})"  # noqa: S608
    f" VALUES ({', '.join('?' * len(_COLUMNS))}) ON CONFLICT DO NOTHING"
)
# Functions of the database: they take a JSON array of objects, whose times are in UTC or null.
_RECORD_POSTGRESQL = "SELECT autopack_record_usage(%s::json)"
_TRY_RECORD_POSTGRESQL = "SELECT autopack_try_record_usage(%s::json)"
_values_as_they_are = attrgetter(*_AS_THEY_ARE)
_texts = attrgetter(*_TEXTS)
_counts = attrgetter(*(name for name in _COLUMNS if name.endswith("_tokens")))


def insert_events(conn: sa.Connection, events: Sequence[UsageEvent]) -> int:
    """Insert ``events``, skipping those whose key is known, and return how many were new.

    An event without a time gets the present one, by the clock that `now` reads. Raises
    OverflowError for figures beyond what a call can have.
    """
    _check(events)
    if conn.dialect.name == "sqlite":
        at = now(conn)
        rows = [_tuple(_sound(event), at) for event in events]
        return conn.exec_driver_sql(_INSERT_SQLITE, rows).rowcount
    return conn.exec_driver_sql(_RECORD_POSTGRESQL, (_json(events),)).scalar_one()


def try_insert_events(conn: sa.Connection, events: Sequence[UsageEvent]) -> bool:
    """Return the same in a transaction that goes on when the ledger refuses; then False.

    Some of the events may be in all the same, and inserting them again adds nothing. What asks
    for another try of the whole transaction is raised. No savepoint is used: on PostgreSQL each
    answer waited for costs as much as the work, and on SQLite what a savepoint keeps goes to a
    temporary file, while a statement that fails leaves its transaction whole.
    """
    if conn.dialect.name == "sqlite":
        try:
            insert_events(conn, events)
        except OverflowError:
            return False
        except exc.DBAPIError as error:
            if is_contention(error.orig):
                raise
            return False
        return True
    try:
        _check(events)
    except OverflowError:
        return False
    new = conn.exec_driver_sql(_TRY_RECORD_POSTGRESQL, (_json(events),)).scalar_one()
    return new is not None


def _check(events: Sequence[UsageEvent]) -> None:
    """Raise OverflowError for figures that no call can have and no sum could hold."""
    for event in events:
        counts = _counts(event)
        if max(count or 0 for count in counts) > MOST_TOKENS:
            raise OverflowError(f"{event.event_key}: more than {MOST_TOKENS:,} tokens in one call")
        cost = event.cost
        if cost is not None and not (cost.is_finite() and abs(cost) <= MOST_DOLLARS):
            raise OverflowError(f"{event.event_key}: more than {MOST_DOLLARS:,} dollars")


def _sound(event: UsageEvent) -> UsageEvent:
    """Return the same with what no engine stores replaced in its texts: NUL and lone surrogates."""
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
