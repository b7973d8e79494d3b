"""Recording what calls used: into the ledger, or into the run's spool while that is impossible."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, exc

from autopack.clock import Clock, SystemClock
from autopack.ledger.events.usage_events import record_events, try_record_events
from autopack.ledger.spool_file import Intent, LedgerSpool
from autopack.model.errors import DatabaseRefused
from autopack.store.database.connecting import is_contention
from autopack.store.database.engine import Database
from autopack.store.folder_note import our_folders
from autopack.store.intents import (
    close_intent,
)
from autopack.store.usage_event import UsageEvent

__all__ = ["Intent", "Recorded", "Recorder", "ingest_all"]

_log = logging.getLogger("autopack")
_BATCH = 5_000
# What says that an event itself is at fault, and not that the database is away or busy.
_REFUSED = (exc.IntegrityError, exc.DataError, OverflowError)


@dataclass(frozen=True)
class Recorded:
    """How many events were new to the ledger, and how many had to wait in the spool."""

    new: int
    spooled: int


class Recorder:
    """Records the calls of one run; safe to use from any thread or process.

    Recording never raises for a fault of the database: events that cannot be written are kept
    in ``ledger.jsonl`` of the run's folder, one a line, until `ingest` brings them in: those of
    ``run_id`` alone, where that is given.
    """

    def __init__(
        self,
        db: Database,
        run_folder: Path,
        *,
        run_id: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._db = db
        self._clock = clock or SystemClock()
        self._spool = LedgerSpool(run_folder, run_id)

    def record(
        self,
        events: Iterable[UsageEvent],
        closes: Intent | None = None,
        *,
        also: Callable[[Connection], None] | None = None,
    ) -> Recorded:
        """Record ``events``, close the intent of their call and do ``also``, in one transaction.

        Where the ledger refuses an event, ``also`` is done with those that it takes.
        """
        listed = list(events)

        def write(conn: Connection) -> Recorded:
            new = record_events(conn, listed)
            if closes is not None:
                _close(conn, closes)
            if also is not None:
                also(conn)
            return Recorded(new, 0)

        def write_sound(conn: Connection) -> tuple[int, Sequence[UsageEvent]]:
            found = _record_sound(conn, listed)
            if also is not None:
                also(conn)
            return found

        try:
            with suppress(*_REFUSED):
                return self._db.transact(write)
            new, refused = self._db.transact(write_sound)
        except (DatabaseRefused, exc.StatementError):
            new, refused = 0, listed
        self._keep(refused, closes)
        return Recorded(new, len(refused))

    def record_in(
        self, conn: Connection, events: Iterable[UsageEvent], closes: Intent | None = None
    ) -> None:
        """The same in a transaction of the caller's, which continues whatever the ledger refuses.

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
        self._spool.keep(dated, closes)

    def ingest(self) -> Recorded:
        """Bring what waits in the spool into the ledger; what is known already adds nothing.

        Events that the ledger refuses for what they say are kept in ``ledger.refused.jsonl``,
        lines that cannot be read are set aside; the calls they are about stay unreconciled.
        Raises DatabaseRefused, and then everything stays where it is.
        """
        new = spooled = 0
        for path in self._spool.take():
            waiting = self._spool.read(path)
            refused: list[UsageEvent] = []
            for start in range(0, len(waiting.events), _BATCH):
                batch = partial(_record_sound, events=waiting.events[start : start + _BATCH])
                added, unsound = self._db.transact(batch)
                new += added
                refused += unsound
            if refused:
                self._spool.keep_refused(refused)
                spooled += len(refused)
            elif not waiting.unread:
                for intent in waiting.intents:
                    self._db.transact(partial(_close, intent=intent))
            self._spool.done(path, waiting)
        return Recorded(new, spooled)


def ingest_all(db: Database, home: Path) -> Recorded:
    """Ingest the spool of every run of ``db`` that has its folder in ``home``.

    A run of which that fails holds up no other: it is logged, and what waits is left there.
    """
    new = spooled = 0
    for run_id, folder in our_folders(home, db):
        try:
            recorded = Recorder(db, folder, run_id=run_id).ingest()
        except DatabaseRefused:
            raise
        except Exception:
            # Whatever it is: a folder holds what agents, disks and other versions left in it.
            _log.exception("the calls that wait in the folder of run %s are left there", run_id)
            continue
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
    close_intent(conn, intent.key, intent.role, intent.call)
