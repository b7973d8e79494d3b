"""How a program ended that nobody waited for: what the reaper noted beside its output."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from autopack.files import safe_files
from autopack.model.boot import boot_id

EXIT_NOTE = "exit.json"
_LONGEST = 4096
_CUT_OFF = 128
"""From here on a status tells of a signal: somebody ended the program."""


@dataclass(frozen=True)
class ExitNote:
    """``status`` is the exit status, ``folder`` the name of the folder that it ran in."""

    status: int
    folder: str


@dataclass(frozen=True)
class _Said(ExitNote):
    boot: str


def read_exit(spool: Path) -> ExitNote | None:
    """Return how the program that printed into ``spool`` ended by itself; None where nothing says
    so.

    A note from before the machine was started again is none: what the program had written then
    may not have reached the disk. Whatever is there instead, nothing is raised.
    """
    try:
        said = TypeAdapter(_Said).validate_json(
            safe_files.read_bytes(spool / EXIT_NOTE, most=_LONGEST)
        )
    except (OSError, ValidationError):
        return None
    if said.boot != boot_id() or not 0 <= said.status < _CUT_OFF:
        return None
    return ExitNote(said.status, said.folder)
