"""Recording what calls used: into the ledger, or into the run's spool while that is impossible."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, exc

from autopack.clock import Clock, SystemClock
from autopack.errors import DatabaseRefused
from autopack.ids import process_mark
from autopack.store.connecting import is_contention
from autopack.store.engine import Database
from autopack.store.folder_note import our_folders
from autopack.store.tables import Role
from autopack.store.usage import UsageEvent, close_intent, record_events, try_record_events

_BATCH = 5_000
# What says that an event itself is at fault, and not that the database is away or busy.
_REFUSED = (exc.IntegrityError, exc.DataError, OverflowError)


@dataclass(frozen=True)
class Intent:
    """A call that was announced: the ``call``-th of its role in an attempt."""

    run_id: str
    phase_id: str
    attempt: int
    role: Role = "builder"
    call: int = 1


@dataclass(frozen=True)
class Recorded:
    """How many events were new to the ledger, and how many had to wait in the spool."""

    new: int
    spooled: int


class Recorder:
    """Records the calls of one run; safe to use from any thread or process.

    Recording never raises for a fault of the database: events that cannot be written are kept
    in ``spool/ledger.jsonl`` of the run's folder, one a line, until `ingest` brings them in.
    """

    def __init__(self, db: Database, run_folder: Path, *, clock: Clock | None = None) -> None:
        self._db = db
        self._clock = clock or SystemClock()
        self._spool = run_folder / "spool" / "ledger.jsonl"

    def record(self, events: Iterable[UsageEvent], closes: Intent | None = None) -> Recorded:
        """Record ``events`` and close the intent of their call, in one transaction."""
        listed = list(events)

        def write(conn: Connection) -> Recorded:
            new = record_events(conn, listed)
            if closes is not None:
                _close(conn, closes)
            return Recorded(new, 0)

        try:
            with suppress(*_REFUSED):
                return self._db.transact(write)
            new, refused = self._db.transact(partial(_record_sound, events=listed))
        except (DatabaseRefused, exc.StatementError):
            new, refused = 0, listed
        self._keep(refused, closes)
        return Recorded(new, len(refused))

    def record_in(
        self, conn: Connection, events: Iterable[UsageEvent], closes: Intent | None = None
    ) -> None:
        """The same in a transaction of the caller's, which goes on whatever the ledger refuses.

        A call with an event that was refused stays unreconciled until the spool is ingested.
        What asks for another try of the whole transaction (a deadlock) is raised, and so is the
        loss of the connection, for that transaction is lost.
        """
        listed = list(events)
        try:
            whole = try_record_events(conn, listed)
            refused = () if whole else _record_sound(conn, listed)[1]
        except exc.DBAPIError as error:
            if error.connection_invalidated or is_contention(error.orig):
                raise
            refused = listed
        if refused:
            self._keep(refused, closes)
        elif closes is not None:
            _close(conn, closes)

    def _keep(self, events: Iterable[UsageEvent], closes: Intent | None) -> None:
        at = self._clock.now()
        dated = [replace(event, created_at=event.created_at or at) for event in events]
        _append(self._spool, [*map(_event_line, dated), *_intent_lines(closes)])

    def ingest(self) -> Recorded:
        """Bring what waits in the spool into the ledger; what is known already adds nothing.

        Events that the ledger refuses for what they say are kept in ``ledger.refused.jsonl``.
        Raises DatabaseRefused, and then everything stays where it is.
        """
        new = spooled = 0
        for path in _claimed(self._spool):
            events, intents = _read(path)
            refused: list[UsageEvent] = []
            for start in range(0, len(events), _BATCH):
                batch = partial(_record_sound, events=events[start : start + _BATCH])
                added, unsound = self._db.transact(batch)
                new += added
                refused += unsound
            if refused:
                _append(self._spool.with_name("ledger.refused.jsonl"), map(_event_line, refused))
                spooled += len(refused)
            else:
                for intent in intents:
                    self._db.transact(partial(_close, intent=intent))
            path.unlink(missing_ok=True)
        return Recorded(new, spooled)


def ingest_all(db: Database, home: Path) -> Recorded:
    """Ingest the spool of every run of ``db`` that has its folder in ``home``."""
    new = spooled = 0
    for _, folder in our_folders(home, db):
        recorded = Recorder(db, folder).ingest()
        new, spooled = new + recorded.new, spooled + recorded.spooled
    return Recorded(new, spooled)


def _record_sound(
    conn: Connection, events: Sequence[UsageEvent]
) -> tuple[int, Sequence[UsageEvent]]:
    """Record what the ledger takes; return how many were new, and the events that it refuses."""
    try:
        with conn.begin_nested():
            return record_events(conn, events), ()
    except _REFUSED:
        pass
    if len(events) == 1:
        return 0, events
    # One of them is at fault: halving finds it without trying each alone.
    half = len(events) // 2
    first, second = _record_sound(conn, events[:half]), _record_sound(conn, events[half:])
    return first[0] + second[0], [*first[1], *second[1]]


def _close(conn: Connection, intent: Intent) -> None:
    close_intent(conn, intent.run_id, intent.phase_id, intent.attempt, intent.role, intent.call)


def _append(path: Path, lines: Iterable[str]) -> None:
    """Add whole lines and wait until the disk has them.

    An ingest may take the file away between the opening and the writing; then nobody may ever
    look at what was written, so it is written once more. Events count once however often.
    """
    text = "".join(f"{line}\n" for line in lines)
    if not text:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            # A torn line of a process that was killed ends here.
            file.write(f"\n{text}".encode())
            file.flush()
            os.fsync(file.fileno())
            written = os.fstat(file.fileno())
        try:
            if os.path.samestat(written, path.stat()):
                return
        except FileNotFoundError:
            continue


def _claimed(spool: Path) -> list[Path]:
    """The spool's files under names that nobody appends to; those of dead ingests included."""
    with suppress(FileNotFoundError):
        spool.rename(spool.with_name(f"{spool.name}.{process_mark()}-{os.urandom(4).hex()}"))
    return sorted(spool.parent.glob(f"{spool.name}.*"))


def _event_line(event: UsageEvent) -> str:
    return json.dumps({"event": vars(event)}, default=_plain)


def _intent_lines(intent: Intent | None) -> list[str]:
    return [] if intent is None else [json.dumps({"closes": vars(intent)})]


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _read(path: Path) -> tuple[list[UsageEvent], list[Intent]]:
    events: list[UsageEvent] = []
    intents: list[Intent] = []
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return [], []  # another ingest was here first
    for line in text.splitlines():
        try:
            entry: dict[str, dict[str, Any]] = json.loads(line) if line else {}
        except ValueError:
            continue  # torn: its writer was killed, and whoever goes on writes it again
        if "event" in entry:
            events.append(_event(entry["event"]))
        elif "closes" in entry:
            intents.append(Intent(**entry["closes"]))
    return events, intents


def _event(values: Mapping[str, Any]) -> UsageEvent:
    cost, at = values["cost"], values["created_at"]
    read: dict[str, Any] = {
        **values,
        "cost": None if cost is None else Decimal(cost),
        "created_at": None if at is None else datetime.fromisoformat(at),
    }
    return UsageEvent(**read)
