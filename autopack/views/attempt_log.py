"""What an attempt's agent and checks printed, a range of lines at a time, fit to be shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from autopack.files import safe_files
from autopack.model.ids import AttemptKey
from autopack.runs.spools.spool import spool_folder
from autopack.secrecy.credentials import MASK, SHAPES
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.folder_note import find_folder
from autopack.store.rows import RunRow
from autopack.views.agent_lines import AgentLines
from autopack.views.escaping import plain

Of = Literal["agent", "checks"]

_CHECKS = "validation.log"
_LONGEST = 4096
_MOST_CHARACTERS = 1024 * 1024


@dataclass(frozen=True)
class LogRange:
    """Lines from ``start`` (from 0) on; ``next`` is where to go on, None at the end."""

    start: int
    lines: tuple[str, ...]
    next: int | None


def attempt_log(
    db: Database, settings: Settings, run: RunRow, key: AttemptKey, of: Of, start: int, most: int
) -> LogRange:
    """Return up to ``most`` lines of an attempt's log, and no more than a million characters.

    Long lines are cut, control characters and known secrets taken out. Empty where this machine
    does not have the log, or nothing was printed.
    """
    found = _agent(db, settings, run, key) if of == "agent" else _checks(db, settings, run, key)
    lines: list[str] = []
    room = _MOST_CHARACTERS
    ahead = islice(found, start, None)
    for line in ahead:
        room -= len(line) + 1
        if len(lines) == most or room < 0:
            return LogRange(start, tuple(lines), start + len(lines))
        lines.append(line)
    return LogRange(start, tuple(lines), None)


def has_log(db: Database, settings: Settings, key: AttemptKey, of: Of) -> bool:
    """Return whether this machine has what was printed."""
    name = "builder.out" if of == "agent" else _CHECKS
    folder = spool_folder(find_folder(settings.home, db, key.run_id), key)
    return folder.is_dir() and name in safe_files.names(folder)


def _agent(db: Database, settings: Settings, run: RunRow, key: AttemptKey) -> Iterator[str]:
    reader = AgentLines(db, settings, run, phase=key.phase_id, attempt=key.attempt)
    return (line.text for line in reader.new())


def _checks(db: Database, settings: Settings, run: RunRow, key: AttemptKey) -> Iterator[str]:
    reader = AgentLines(db, settings, run, phase=key.phase_id, attempt=key.attempt)
    path = spool_folder(find_folder(settings.home, db, run.run_id), key) / _CHECKS
    for raw in _raw_lines(path):
        text = raw.decode("utf-8", "replace").rstrip("\r\n")
        yield SHAPES.sub(MASK, reader.redact(plain(text)))


def _raw_lines(path: Path) -> Iterator[bytes]:
    """Yield the beginning of every line; what is too long of one is passed over."""
    try:
        file = safe_files.open_read(path)
    except FileNotFoundError:
        return
    with file:
        while raw := file.readline(_LONGEST):
            yield raw
            while not raw.endswith(b"\n") and (raw := file.readline(_LONGEST)):
                pass
