"""One row of a file of usage as an event, whatever it leaves out and however it spells it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from autopack.clock import in_utc
from autopack.ledger.events.insert import MOST_TOKENS
from autopack.model.errors import BadInput
from autopack.store.columns import ExactDecimal, UtcDateTime
from autopack.store.tables import ROLES
from autopack.store.usage_event import LEDGER_COLUMNS, LedgerColumn

Row = Mapping[str, Any]
Values = dict[str, Any]

EARLIER_NAMES = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
FIELDS = tuple(each.name for each in LEDGER_COLUMNS if each.imported)

_SPLIT = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
_SIZE = 64  # of a key or an id in the ledger
_MOST_DOLLARS = Decimal(10**6)


# What a key is made of, frozen: a row that was imported by an earlier version must get the key
# that it got then, whatever fields an event has had since. A new recipe goes on top; rows that
# the ledger knows by the key of an older one keep that.
_SAID = (
    "event_key", "run_id", "phase_id", "attempt", "provider", "model", "role", "category",
    "total_tokens", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens",
    "reasoning_tokens", "source", "cost", "price_version", "is_doctor_call", "doctor_model",
    "doctor_action", "response_id", "created_at",
)  # fmt: skip


def _in_order(values: Values) -> str:
    return repr([*map(values.get, _SAID)])


def _in_alphabet(values: Values) -> str:
    return repr(sorted(_named(values).items()))


def _as_json(values: Values) -> str:
    return json.dumps(_named(values), default=str, sort_keys=True)


def _named(values: Values) -> Values:
    """Return what the row says, as versions took it that left out what it does not say."""
    by_default = values["is_doctor_call"] == (values["role"] == "doctor")
    names = set(_SAID) - ({"is_doctor_call"} if by_default else set[str]())
    return {name: value for name, value in values.items() if name in names}


_RECIPES = (_in_order, _in_alphabet, _as_json)


class Keys:
    """Gives rows that have no key one each: equal rows are told apart by their order.

    How often each row was seen is kept in a temporary database, whose pages go to disk when
    there are many, so a file of any length takes the same memory.
    """

    def __enter__(self) -> Keys:
        self._seen = sqlite3.connect("", isolation_level=None)
        self._seen.execute("PRAGMA journal_mode=OFF")
        self._seen.execute("CREATE TABLE seen (said TEXT PRIMARY KEY, times INT) WITHOUT ROWID")
        self._seen.execute("BEGIN")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._seen.close()

    def give(self, rows: Sequence[Values]) -> dict[str, list[str]]:
        """Set ``event_key`` in each of ``rows`` that has none.

        Returns for each of these keys those that earlier versions would have given.
        """
        earlier: dict[str, list[str]] = {}
        said = [None if "event_key" in values else _said(values) for values in rows]
        times = self._times({one for one in said if one})
        for values, one in zip(rows, said, strict=True):
            if one:
                times[one] += 1
                before = [_hash(recipe(values)) for recipe in _RECIPES[1:]]
                key = _hash(f"import {one} {times[one]}")
                earlier[key] = [_hash(f"import {other} {times[one]}") for other in before]
                values["event_key"] = key
        self._seen.executemany(
            "INSERT INTO seen VALUES (?, ?) ON CONFLICT DO UPDATE SET times = excluded.times",
            times.items(),
        )
        return earlier

    def _times(self, said: Iterable[str]) -> Counter[str]:
        """Return how often each was seen in earlier batches."""
        listed = json.dumps(list(said))
        query = "SELECT said, times FROM json_each(?) JOIN seen ON said = value"
        return Counter(dict(self._seen.execute(query, (listed,))))


def _said(values: Values) -> str:
    return _hash(_RECIPES[0](values))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def values_of(number: int, row: Row) -> Values:
    """Return what makes an event of row ``number``; its key may be missing. Raises BadInput naming
    it.
    """
    values: Values = {}
    columns: dict[str, str] = {}
    unsaid: dict[str, str] = {}
    for column, value in row.items():
        reading = _READING.get(column)
        if reading is None or value is None:
            continue
        name, convert = reading
        if isinstance(value, str) and _says_nothing(name, value):
            unsaid[name] = value
            continue
        if name in columns:
            raise BadInput(
                f"row {number}: {columns[name]} and {column} mean the same",
                field=f"row {number}.{name}",
                hint="give one of them",
            )
        columns[name] = column
        try:
            values[name] = convert(value)
        except (ValueError, TypeError, InvalidOperation, OverflowError) as error:
            raise BadInput(
                f"row {number}: {name} is {value!r}" + _because(error),
                field=f"row {number}.{name}",
            ) from error
    _complete(values)
    for name in ("run_id", "total_tokens"):
        if name not in values:
            said = unsaid.get(name, "").strip()
            why = f"is {said!r}, and it is needed" if said else "is missing"
            raise BadInput(f"row {number}: {name} {why}", field=f"row {number}.{name}")
    if values["total_tokens"] > MOST_TOKENS:
        raise BadInput(
            f"row {number}: its parts add up to more than {MOST_TOKENS:,} tokens",
            field=f"row {number}.total_tokens",
        )
    if values.get("reasoning_tokens", 0) > values.get("output_tokens", values["total_tokens"]):
        raise BadInput(
            f"row {number}: more reasoning than output", field=f"row {number}.reasoning_tokens"
        )
    return values


def with_role_of_today(row: Row) -> Row:
    """Return a row of an earlier Autopack's database; the role is unsaid where it is none of
    today's.
    """
    return row if row.get("role") in ROLES else {**row, "role": None}


def moment(value: Any) -> datetime:
    """Return an ISO time, UTC unless it says otherwise. Raises ValueError."""
    return in_utc(datetime.fromisoformat(str(value)))


def _complete(values: Values) -> None:
    """Fill in what the earlier tables lack."""
    for name in ("provider", "model", "phase_id"):
        values.setdefault(name, "unknown")
    values.setdefault("attempt", 1)
    values.setdefault("role", "doctor" if values.get("is_doctor_call") else "builder")
    values.setdefault("is_doctor_call", values["role"] == "doctor")
    values.setdefault("category", "second_opinion" if values["role"] == "doctor" else "base")
    if "input_tokens" in values and "output_tokens" in values:
        # They knew prompt and completion only; cached tokens were not told apart.
        values.setdefault("cache_read_tokens", 0)
        values.setdefault("cache_write_tokens", 0)
    parts = [values[name] for name in _SPLIT if name in values]
    if len(parts) == len(_SPLIT):
        values.setdefault("total_tokens", sum(parts))
    if len(parts) < len(_SPLIT) or values["total_tokens"] != sum(parts):
        # A split that does not add up says nothing that can be trusted; its total counts.
        for name in _SPLIT:
            values.pop(name, None)


def _because(error: Exception) -> str:
    """Return what is wrong with a value, where the check says it."""
    return f": {error.args[0]}" if isinstance(error, _Unfit) else ""


def _says_nothing(name: str, value: str) -> bool:
    """Return whether a cell is empty, or says so as R, pandas and SQL do where a number stands."""
    word = value.strip().lower()
    return not word or (name not in _TEXTS and word in _NOTHING)


class _Unfit(ValueError):
    """A value that can be read and is not allowed; its argument says what is."""


def _whole(value: Any) -> int:
    # What went through pandas beside an empty cell reads 12.0.
    number = Decimal(str(value))
    # Bounded before it is whole: of 1e999999999 a billion digits would be written out.
    if number > MOST_TOKENS:
        raise _Unfit(f"use {MOST_TOKENS:,} at most")
    if number < 0 or number != int(number):
        raise ValueError(value)
    return int(number)


def _attempt(value: Any) -> int:
    number = _whole(value)
    if number >= 2**31:
        raise _Unfit("too large")
    return number


def _text(value: Any) -> str:
    # A database of SQLite, and a program, may give a name of digits as a number.
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise _Unfit("use text")
    return str(value)


def _identity(value: Any) -> str:
    text = _text(value)
    if len(text) > _SIZE:
        raise _Unfit(f"longer than {_SIZE} characters")
    if not text.isprintable():
        raise _Unfit("it holds characters that cannot be printed")
    return text


def _dollars(value: Any) -> Decimal:
    cost = Decimal(str(value))
    if not 0 <= cost <= _MOST_DOLLARS:
        raise _Unfit(f"use 0 to {_MOST_DOLLARS:,}")
    return cost


def _one_of(allowed: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in allowed:
            raise _Unfit(f"use {', '.join(allowed)}")
        return value

    return read


def _is_yes(value: Any) -> bool:
    return str(value).lower() in ("1", "true", "yes")


def _conversion(column: LedgerColumn) -> Callable[[Any], Any]:
    """Return how a value of a column is read, by its type."""
    if column.name in _BY_NAME:
        return _BY_NAME[column.name]
    if column.words:
        return _one_of(tuple(column.words))
    if column.name in _IDENTITIES:
        return _identity
    return next((read for kind, read in _BY_TYPE if isinstance(column.type, kind)), _text)


_BY_NAME: dict[str, Callable[[Any], Any]] = {"attempt": _attempt}
_IDENTITIES = ("event_key", "run_id", "phase_id")
_BY_TYPE: tuple[tuple[type[TypeEngine[Any]], Callable[[Any], Any]], ...] = (
    (sa.Integer, _whole),
    (sa.Boolean, _is_yes),
    (ExactDecimal, _dollars),
    (UtcDateTime, moment),
)
_COLUMNS = {each.name: each for each in LEDGER_COLUMNS}
_NOTHING = frozenset({"na", "n/a", "nan", "none", "null", "-"})
# A model, a run or a phase may be called anything.
_TEXTS = frozenset(
    each.name
    for each in LEDGER_COLUMNS
    if not each.words and not any(isinstance(each.type, kind) for kind, _ in _BY_TYPE)
)
_READING: dict[str, tuple[str, Callable[[Any], Any]]] = {
    column: (name, _conversion(_COLUMNS[name]))
    for column, name in [*((name, name) for name in FIELDS), *EARLIER_NAMES.items()]
}
