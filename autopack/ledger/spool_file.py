"""The file in a run's folder where calls wait that the ledger could not take, one a line.

It lies beside the spools of attempts and not among them, for any name there may be a phase's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar, cast

from autopack.files import safe_files
from autopack.files.asides import keep_lines, set_aside
from autopack.model.ids import AttemptKey, process_mark
from autopack.store.tables import Role
from autopack.store.usage_event import UsageEvent

NAME = "ledger.jsonl"
REFUSED = "ledger.refused.jsonl"
_LONGEST = 1024 * 1024 * 1024


@dataclass(frozen=True)
class Intent:
    """A call that was announced: the ``call``-th of its role in an attempt."""

    key: AttemptKey
    role: Role = "builder"
    call: int = 1

    @property
    def run_id(self) -> str:
        return self.key.run_id

    def to_json(self) -> dict[str, Any]:
        return {**vars(self.key), "role": self.role, "call": self.call}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Intent:
        """Raises KeyError and TypeError for what no version wrote."""
        line = _of(_IntentLine, values)
        return cls(AttemptKey(line.run_id, line.phase_id, line.attempt), line.role, line.call)


@dataclass(frozen=True)
class _IntentLine:
    run_id: str
    phase_id: str
    attempt: int
    role: Role = "builder"
    call: int = 1


T = TypeVar("T", UsageEvent, Intent)
Line = TypeVar("Line", UsageEvent, _IntentLine)


@dataclass
class Waiting:
    """What one file of the spool holds; ``unread`` are the lines that mean nothing here."""

    events: list[UsageEvent] = field(default_factory=list[UsageEvent])
    intents: list[Intent] = field(default_factory=list[Intent])
    unread: list[str] = field(default_factory=list[str])


class LedgerSpool:
    """The lines of one run that wait. Any thread or process may append and take.

    Of another run than ``run_id``, where that is given, nothing is read.
    """

    def __init__(self, run_folder: Path, run_id: str | None = None) -> None:
        self._folder = run_folder
        self._run_id = run_id
        self.path = run_folder / NAME

    def keep(self, events: Iterable[UsageEvent], closes: Intent | None) -> None:
        """Append calls, and the intent that they close, and wait until the disk has them."""
        lines = [_line(event) for event in events]
        if closes is not None:
            lines.append(json.dumps({"closes": closes.to_json()}))
        _append(self.path, lines)

    def keep_refused(self, events: Iterable[UsageEvent]) -> None:
        """Append calls that the ledger refuses for what they say, for a person to look at."""
        _append(self.path.with_name(REFUSED), map(_line, events))

    def take(self) -> list[Path]:
        """Return the files that wait, under names that nobody appends to; those of dead ingests
        too.
        """
        found: list[Path] = []
        # Earlier versions had it among the attempts.
        for path in (self.path, self._folder / "spool" / NAME):
            with suppress(FileNotFoundError):
                if safe_files.is_file(path):
                    unique = f"{process_mark()}-{os.urandom(4).hex()}"
                    safe_files.rename(path, path.with_name(f"{NAME}.{unique}"))
            for name in safe_files.names(path.parent):
                if name.startswith(f"{NAME}.") and safe_files.is_file(path.with_name(name)):
                    found.append(path.with_name(name))
        return found

    def read(self, path: Path) -> Waiting:
        """Return what a file that was taken holds. Whatever it holds, nothing is raised."""
        waiting = Waiting()
        try:
            text = safe_files.read_text(path, most=_LONGEST)
        except OSError as error:
            if not os.path.lexists(path):
                return waiting  # another ingest was here first
            set_aside(path, self._folder, f"it cannot be read: {error.strerror}")
            return waiting
        for line in filter(None, text.split("\n")):
            try:
                self._add(json.loads(line), waiting)
            except (ValueError, TypeError, KeyError, InvalidOperation, RecursionError):
                waiting.unread.append(line)
        return waiting

    def done(self, path: Path, waiting: Waiting) -> None:
        """Remove a file whose calls are in the ledger; lines that could not be read are kept."""
        reason = f"{len(waiting.unread)} lines of the ledger's spool cannot be read"
        keep_lines(waiting.unread, self._folder, NAME, reason)
        safe_files.remove(path)

    def _add(self, entry: Any, waiting: Waiting) -> None:
        """Raises ValueError, TypeError or KeyError for what no version of this run wrote."""
        known = cast("Mapping[str, Any]", entry)
        if "event" in known:
            waiting.events.append(self._own(_event(known["event"])))
        else:
            waiting.intents.append(self._own(Intent.of(known["closes"])))

    def _own(self, one: T) -> T:
        if self._run_id not in (None, one.run_id):
            raise ValueError(one.run_id)
        return one


def _line(event: UsageEvent) -> str:
    return json.dumps({"event": vars(event)}, default=_plain)


_PLAIN = {"str": str, "int": int, "bool": bool}


def _event(values: Any) -> UsageEvent:
    if not isinstance(values, dict):
        raise TypeError(values)
    said = cast("dict[str, Any]", values)
    cost, text = said.get("cost"), said.get("created_at")
    at = None if text is None else datetime.fromisoformat(text)
    if at is not None and at.tzinfo is None:
        raise ValueError(text)
    exact = None if cost is None else Decimal(cost)
    return _of(UsageEvent, {**said, "cost": exact, "created_at": at})


def _of(kind: type[Line], values: Mapping[str, Any]) -> Line:
    """Return what a line says; fields that this version does not know are omitted of it."""
    known: dict[str, Any] = {}
    for one in fields(kind):
        if one.name not in values:
            if one.default is MISSING:
                raise KeyError(one.name)
            continue
        value = values[one.name]
        plain = _PLAIN.get(str(one.type).partition(" ")[0], str)
        is_optional = one.default is None
        if one.name not in ("cost", "created_at") and not (
            type(value) is plain or (value is None and is_optional)
        ):
            raise TypeError(one.name)
        known[one.name] = value
    return kind(**known)


def _append(path: Path, lines: Iterable[str]) -> None:
    """Add whole lines and wait until the disk has them.

    An ingest may take the file away between the opening and the writing; then nobody may ever
    look at what was written, so it is written once more. Events count once however often.
    """
    text = "".join(f"{line}\n" for line in lines)
    if not text:
        return
    safe_files.make_folder(path.parent, below=path.parent.parent)
    while True:
        with os.fdopen(safe_files.open_append(path), "ab") as file:
            # A torn line of a process that was killed ends here.
            file.write(f"\n{text}".encode())
            file.flush()
            os.fsync(file.fileno())
            # While it is open: the number of a file that is gone is soon another's.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), safe_files.status(path)):
                    return


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
