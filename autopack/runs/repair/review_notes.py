"""What is on disk of a reviewer's call: its folder in the attempt's spool, and its reply there.

A reply is noted before it is counted, so that a run whose process is killed then need not pay for
it again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from autopack.files import safe_files
from autopack.files.durable import write_whole
from autopack.model.calls import ModelCall

_REPLY = "reply.json"
_FOLDER = re.compile(r"review-(\d+)")


@dataclass(frozen=True)
class Noted:
    """What a reviewer said of ``commit`` in the call of that number, and what that took.

    ``problem`` is why it said nothing. ``is_whole``: the calls are all that it used.
    """

    commit: str
    call: int
    text: str
    calls: tuple[ModelCall, ...]
    notes: tuple[str, ...] = ()
    problem: str | None = None
    is_whole: bool = True


def call_folder(spool: Path, call: int) -> Path:
    """Return the folder of a call, in the spool of its attempt."""
    return spool / f"review-{call}"


def earlier_calls(spool: Path) -> Sequence[int]:
    """Return the calls that have a folder, in order."""
    found = (_FOLDER.fullmatch(name) for name in safe_files.names(spool))
    return sorted(int(one[1]) for one in found if one is not None)


def note_reply(folder: Path, noted: Noted) -> None:
    """Keep a reply; on disk when this returns."""
    safe_files.make_folder(folder, below=folder.parent)
    write_whole(folder / _REPLY, TypeAdapter(Noted).dump_json(noted).decode())


def read_reply(folder: Path) -> Noted | None:
    """Return the reply that a folder has; None where there is none, or none that can be read."""
    try:
        return TypeAdapter(Noted).validate_json(safe_files.read_bytes(folder / _REPLY))
    except (OSError, ValueError):
        return None
