"""What is noted of a program before it starts, to understand its output after any crash."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from autopack.files import safe_files

_NOTE = "agent.json"
_LONGEST_NOTE = 65_536


@dataclass(frozen=True)
class ProgramNote:
    """Whom a build asks, where it works, and whose conversation it continues; see Conversation."""

    model: str | None = None
    provider: str | None = None
    worktree: str | None = None
    continues: int | None = None
    fresh_because: str | None = None


def write_note(spool: Path, note: ProgramNote) -> None:
    """Note it in a build's spool."""
    safe_files.write(spool / _NOTE, json.dumps(asdict(note)))


def read_note(spool: Path) -> ProgramNote:
    """Return what was noted; nothing of it where the program was never started."""
    try:
        noted = safe_files.read_bytes(spool / _NOTE, most=_LONGEST_NOTE)
        return TypeAdapter(ProgramNote).validate_json(noted)
    except (OSError, ValueError):
        return ProgramNote()
