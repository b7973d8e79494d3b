"""Bringing usage from files into the ledger: CSV, JSON lines, an earlier Autopack's SQLite."""

from __future__ import annotations

import csv
import json
import sqlite3
import stat
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from shutil import copyfileobj
from tempfile import NamedTemporaryFile
from typing import IO, Any, cast

import sqlalchemy as sa

from autopack.ledger.events.usage_events import known_keys, record_events
from autopack.ledger.imports.importing_metrics import metric_of
from autopack.ledger.imports.importing_rows import (
    EARLIER_NAMES,
    FIELDS,
    Keys,
    Row,
    values_of,
    with_role_of_today,
)
from autopack.model.errors import BadInput
from autopack.store.database.engine import Database, insert_new, now
from autopack.store.tables.rollups import phase6_metrics, token_efficiency_metrics, usage_imports
from autopack.store.usage_event import UsageEvent

_BATCH = 5_000
_SQLITE = b"SQLite format 3\x00"
_TOO_MANY = "\0"
_HINT = (
    "give CSV with commas and a header, in a file *.csv; or JSON lines, one object a line; "
    "run_id and total_tokens are needed"
)
_METRICS = {table.name: table for table in (phase6_metrics, token_efficiency_metrics)}


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
    done = Imported()
    with _kept(path) as source:
        if _is_sqlite(source):
            try:
                _import_sqlite(db, source, path, done)
            except sqlite3.Error as error:
                raise BadInput(f"{path} cannot be read: {error}", field="file") from error
        else:
            _import_text(db, source, path, done)
    return done


@contextmanager
def _kept(path: Path) -> Generator[Path]:
    """Yield a file that can be read from its start again: a pipe gives what it has only once."""
    try:
        if stat.S_ISREG(path.stat().st_mode):
            path.open("rb").close()
            copy = None
        else:
            copy = _copied(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", field="file") from error
    if copy is None:
        yield path
        return
    with copy:
        yield Path(copy.name)


def _copied(path: Path) -> IO[bytes]:
    copy = NamedTemporaryFile(prefix="autopack-import-")  # noqa: SIM115 - the caller closes it
    try:
        with path.open("rb") as pipe:
            copyfileobj(pipe, copy)
        copy.flush()
    except BaseException:
        copy.close()
        raise
    return copy


def _is_sqlite(source: Path) -> bool:
    with source.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _import_text(db: Database, source: Path, path: Path, done: Imported) -> None:
    with source.open(encoding="utf-8-sig", newline="") as file:
        try:
            if path.suffix.lower() == ".csv":
                reader = csv.DictReader(file, strict=True, restkey=_TOO_MANY)
                _read_header(reader, path)
                rows = _numbered(map(_refuse_longer, enumerate(reader, 2)), 2)
                _note_missing(done, "events", reader.fieldnames or ())
            else:
                rows = _numbered(map(_parsed, enumerate(file, 1)), 1)
            _import_events(db, rows, path, done)
            if not done.events and path.suffix.lower() != ".csv":
                raise BadInput(f"{path} is empty", field="file", hint=_HINT)
        except (UnicodeDecodeError, csv.Error) as error:
            raise BadInput(
                f"{path} is neither CSV nor JSON lines: {error}", field="file", hint=_HINT
            ) from error


def _read_header(reader: csv.DictReader[str], path: Path) -> None:
    """Take the names of columns without blanks and capitals. Raises BadInput for what cannot be
    a header.
    """
    given = [name.strip().lower() for name in reader.fieldnames or ()]
    if not given:
        raise BadInput(f"{path} is empty", field="file", hint=_HINT)
    known = [name for name in given if EARLIER_NAMES.get(name, name) in FIELDS]
    if not known:
        raise BadInput(f"line 1 of {path} names no column of usage", field="file", hint=_HINT)
    first: dict[str, str] = {}
    for name in known:
        other = first.setdefault(EARLIER_NAMES.get(name, name), name)
        if known.count(name) > 1:
            raise BadInput(f"{path}: column {name} is there twice", field=name)
        if other != name:
            raise BadInput(
                f"{path}: columns {other} and {name} mean the same",
                field=name,
                hint="drop one of them",
            )
    reader.fieldnames = given


def _refuse_longer(row: tuple[int, dict[Any, Any]]) -> Row:
    number, cells = row
    if _TOO_MANY in cells:
        raise BadInput(
            f"row {number} has more cells than the header",
            field=f"row {number}",
            hint="quote cells that hold a comma",
        )
    return cells


def _numbered(rows: Iterator[Row], first: int) -> Iterator[tuple[int, Row]]:
    return ((number, row) for number, row in enumerate(rows, first) if row)


def _parsed(line: tuple[int, str]) -> Row:
    number, text = line
    if not text.strip():
        return {}
    try:
        row = json.loads(text, object_pairs_hook=partial(_object, number))
    except (ValueError, RecursionError) as error:
        why = "too deep" if isinstance(error, RecursionError) else error
        raise BadInput(f"line {number}: no JSON: {why}", field="file", hint=_HINT) from error
    if not isinstance(row, dict):
        raise BadInput(f"line {number}: no JSON object", field="file", hint=_HINT)
    return cast("Row", row)


def _object(number: int, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON. Raises BadInput where a key that is read is there twice."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found and EARLIER_NAMES.get(name, name) in FIELDS:
            raise BadInput(f"row {number}: {name} is there twice", field=f"row {number}.{name}")
        found[name] = value
    return found


def _note_missing(done: Imported, name: str, columns: Any) -> None:
    known = {EARLIER_NAMES.get(column, column) for column in columns}
    wanted = list(FIELDS) if name == "events" else []
    if name in _METRICS:
        wanted = [column.name for column in _METRICS[name].c]
    missing = [column for column in wanted if column not in known]
    if missing:
        done.missing[name] = missing


def _import_sqlite(db: Database, source: Path, path: Path, done: Imported) -> None:
    with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as earlier:
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
                current = ((number, with_role_of_today(row)) for number, row in rows)
                _import_events(db, current, path, done)
            else:
                _note_missing(done, name, columns)
                _import_metrics(db, _METRICS[name], rows, done)


def _import_events(
    db: Database, rows: Iterator[tuple[int, Row]], path: Path, done: Imported
) -> None:
    with Keys() as keys:
        while batch := [values_of(number, row) for number, row in islice(rows, _BATCH)]:
            earlier = keys.give(batch)
            events = [UsageEvent(**values) for values in batch]
            done.events += len(events)
            done.new_events += db.transact(
                partial(_write_events, events=events, earlier=earlier, origin=path.name)
            )


def _write_events(
    conn: sa.Connection, events: list[UsageEvent], earlier: dict[str, list[str]], origin: str
) -> int:
    at = now(conn)
    known = known_keys(conn, [key for keys in earlier.values() for key in keys])
    if known:
        events = [one for one in events if known.isdisjoint(earlier.get(one.event_key, ()))]
    for run_id in sorted({event.run_id for event in events}):
        conn.execute(
            insert_new(conn, usage_imports).values(run_id=run_id, origin=origin, imported_at=at)
        )
    return record_events(conn, events)


def _import_metrics(
    db: Database, table: sa.Table, rows: Iterator[tuple[int, Row]], done: Imported
) -> None:
    numbers: Counter[tuple[str, str]] = Counter()
    while batch := [metric_of(table, number, row, numbers) for number, row in islice(rows, _BATCH)]:
        done.metrics += len(batch)
        done.new_metrics += db.transact(partial(_write_metrics, table=table, rows=batch))


def _write_metrics(conn: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> int:
    at = now(conn)
    dated = [row | {"created_at": row["created_at"] or at} for row in rows]
    return len(conn.execute(insert_new(conn, table).returning(table.c.run_id), dated).all())
