"""Bringing usage from files into the ledger: CSV, JSON lines, an earlier Autopack's SQLite."""

from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa

from autopack.errors import BadInput
from autopack.store.engine import Database, insert_new, now
from autopack.store.tables import CATEGORIES, ROLES
from autopack.store.telemetry_tables import (
    phase6_metrics,
    token_efficiency_metrics,
    usage_imports,
)
from autopack.store.usage import UsageEvent, record_events

_BATCH = 5_000
_SQLITE = b"SQLite format 3\x00"
_METRICS = {table.name: table for table in (phase6_metrics, token_efficiency_metrics)}
_EARLIER_NAMES = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
_SPLIT = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
_WHOLE = (*_SPLIT, "total_tokens", "reasoning_tokens", "attempt")

_FIELDS = tuple(one.name for one in fields(UsageEvent))

Row = Mapping[str, Any]


@dataclass
class Imported:
    """What a file held, what of it was new, and which columns it lacked."""

    events: int = 0
    new_events: int = 0
    metrics: int = 0
    new_metrics: int = 0
    missing: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


def import_file(db: Database, path: Path) -> Imported:
    """Import a file; importing it again adds nothing. Raises BadInput naming the row at fault.

    A row that has no event key gets one from what it says; equal rows are told apart by their
    order, so every row of a file counts once.
    """
    try:
        with path.open("rb") as file:
            is_sqlite = file.read(len(_SQLITE)) == _SQLITE
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", field="file") from error
    done = Imported()
    if is_sqlite:
        _import_sqlite(db, path, done)
    else:
        with path.open(encoding="utf-8-sig", newline="") as file:
            try:
                if path.suffix.lower() == ".csv":
                    reader = csv.DictReader(file, strict=True)
                    rows = _numbered(reader, 2)
                    _note_missing(done, "events", reader.fieldnames or ())
                else:
                    rows = _numbered(map(_parsed, enumerate(file, 1)), 1)
                _import_events(db, rows, path, done)
            except (UnicodeDecodeError, csv.Error) as error:
                raise BadInput(
                    f"{path} is no text of CSV or JSON lines: {error}", field="file"
                ) from error
    return done


def _numbered(rows: Iterator[Row] | csv.DictReader[str], first: int) -> Iterator[tuple[int, Row]]:
    return ((number, row) for number, row in enumerate(rows, first) if row)


def _parsed(line: tuple[int, str]) -> Row:
    number, text = line
    if not text.strip():
        return {}
    try:
        row = json.loads(text)
    except ValueError as error:
        raise BadInput(f"line {number}: no JSON: {error}", field="file") from error
    if not isinstance(row, dict):
        raise BadInput(f"line {number}: no JSON object", field="file")
    return cast("Row", row)


def _note_missing(done: Imported, name: str, columns: Any) -> None:
    known = {_EARLIER_NAMES.get(column, column) for column in columns}
    wanted = list(_FIELDS) if name == "events" else []
    if name in _METRICS:
        wanted = [column.name for column in _METRICS[name].c]
    missing = [column for column in wanted if column not in known]
    if missing:
        done.missing[name] = missing


def _import_sqlite(db: Database, path: Path, done: Imported) -> None:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as earlier:
        earlier.row_factory = sqlite3.Row
        listed = earlier.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {row["name"] for row in listed}
        if not tables & {"llm_usage_events", *_METRICS}:
            raise BadInput(
                f"{path} holds no table llm_usage_events and no metrics",
                field="file",
                hint="name the database of an earlier Autopack",
            )
        for name in ("llm_usage_events", *_METRICS):
            if name not in tables:
                done.missing["events" if name == "llm_usage_events" else name] = ["the whole table"]
                continue
            # The name is one of three constants.
            cursor = earlier.execute(f'SELECT * FROM "{name}" ORDER BY rowid')  # noqa: S608
            columns = [column[0] for column in cursor.description]
            rows = _numbered(map(dict, cursor), 1)
            if name == "llm_usage_events":
                _note_missing(done, "events", columns)
                _import_events(db, rows, path, done)
            else:
                _note_missing(done, name, columns)
                _import_metrics(db, _METRICS[name], rows, done)


def _import_events(
    db: Database, rows: Iterator[tuple[int, Row]], path: Path, done: Imported
) -> None:
    seen: Counter[str] = Counter()
    events = (_event(number, row, seen) for number, row in rows)
    while batch := list(islice(events, _BATCH)):
        done.events += len(batch)
        done.new_events += db.transact(partial(_write_events, events=batch, origin=path.name))


def _write_events(conn: sa.Connection, events: list[UsageEvent], origin: str) -> int:
    at = now(conn)
    for run_id in sorted({event.run_id for event in events}):
        conn.execute(
            insert_new(conn, usage_imports).values(run_id=run_id, origin=origin, imported_at=at)
        )
    return record_events(conn, events)


def _event(number: int, row: Row, seen: Counter[str]) -> UsageEvent:
    """One row as an event. Raises BadInput naming the row."""
    given = {_EARLIER_NAMES.get(name, name): _given(value) for name, value in row.items() if name}
    values = {name: given[name] for name in _FIELDS if given.get(name) is not None}

    def convert(name: str, how: Callable[[Any], Any]) -> None:
        if name in values:
            try:
                values[name] = how(values[name])
            except (ValueError, TypeError, InvalidOperation, OverflowError) as error:
                raise BadInput(
                    f"row {number}: {name} is {values[name]!r}", field=f"row {number}.{name}"
                ) from error

    for name in _WHOLE:
        convert(name, _whole)
    convert("cost", lambda text: Decimal(str(text)))
    convert("created_at", _moment)
    convert("is_doctor_call", lambda text: str(text).lower() in ("1", "true", "yes"))
    for name in ("provider", "model", "phase_id"):
        values[name] = str(values.get(name) or "unknown")
    values.setdefault("attempt", 1)
    values["role"] = _role(values)
    values.setdefault("category", "second_opinion" if values["role"] == "doctor" else "base")
    _complete_split(values)
    for name in ("run_id", "total_tokens"):
        if name not in values:
            raise BadInput(f"row {number}: {name} is missing", field=f"row {number}.{name}")
    _check(number, values)
    if "event_key" not in values:
        said = hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()
        seen[said] += 1
        values["event_key"] = hashlib.sha256(f"import {said} {seen[said]}".encode()).hexdigest()
    return UsageEvent(**values)


def _given(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _whole(value: Any) -> int:
    number = int(str(value))
    if not 0 <= number < 2**53:
        raise ValueError(value)
    return number


def _moment(value: Any) -> datetime:
    at = datetime.fromisoformat(str(value))
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _role(values: dict[str, Any]) -> str:
    if values.get("role") in ROLES:
        return values["role"]
    return "doctor" if values.get("is_doctor_call") else "builder"


def _complete_split(values: dict[str, Any]) -> None:
    """The earlier tables knew prompt and completion only; cached tokens were not told apart."""
    if "input_tokens" in values and "output_tokens" in values:
        for name in ("cache_read_tokens", "cache_write_tokens"):
            values.setdefault(name, 0)
        values.setdefault("total_tokens", sum(values[name] for name in _SPLIT))
    if any(name not in values for name in _SPLIT) or values["total_tokens"] != sum(
        values[name] for name in _SPLIT
    ):
        # A split that does not add up says nothing that can be trusted; its total counts.
        for name in _SPLIT:
            values.pop(name, None)


def _check(number: int, values: dict[str, Any]) -> None:
    for name, allowed in (
        ("category", CATEGORIES),
        ("source", ("provider", "estimated", "partial")),
        ("doctor_model", ("cheap", "strong")),
    ):
        if name in values and values[name] not in allowed:
            raise BadInput(
                f"row {number}: {name} is {values[name]!r}",
                field=f"row {number}.{name}",
                hint=f"use {', '.join(allowed)}",
            )
    if values.get("reasoning_tokens", 0) > values.get("output_tokens", values["total_tokens"]):
        raise BadInput(
            f"row {number}: more reasoning than output", field=f"row {number}.reasoning_tokens"
        )


def _import_metrics(
    db: Database, table: sa.Table, rows: Iterator[tuple[int, Row]], done: Imported
) -> None:
    numbers: Counter[tuple[str, str]] = Counter()
    while batch := [_metric(table, number, row, numbers) for number, row in islice(rows, _BATCH)]:
        done.metrics += len(batch)
        done.new_metrics += db.transact(partial(_write_metrics, table=table, rows=batch))


def _metric(
    table: sa.Table, number: int, row: Row, numbers: Counter[tuple[str, str]]
) -> dict[str, Any]:
    if not row.get("run_id") or not row.get("phase_id"):
        raise BadInput(f"{table.name}, row {number}: run_id or phase_id is missing", field="file")
    key = str(row["run_id"]), str(row["phase_id"])
    # The earlier tables had rows in order instead of attempts.
    numbers[key] += 1
    values: dict[str, Any] = {}
    for column in table.c:
        value = row.get(column.name)
        if value is not None and isinstance(column.type, sa.Boolean):
            value = bool(value)
        if isinstance(column.type, sa.JSON) and isinstance(value, str):
            value = json.loads(value)
        values[column.name] = value
    at = row.get("created_at")
    return values | {
        "attempt": row.get("attempt") or numbers[key],
        "created_at": None if at is None else _moment(at),
    }


def _write_metrics(conn: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> int:
    at = now(conn)
    dated = [row | {"created_at": row["created_at"] or at} for row in rows]
    return len(conn.execute(insert_new(conn, table).returning(table.c.run_id), dated).all())
