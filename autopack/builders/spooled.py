"""The spool of builders that run in this process: one JSON object a line, calls among them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TextIO

from autopack import safe_files
from autopack.builders.protocol import ModelCall, UnreadableSpool
from autopack.builders.recording import RecordedCall

SPOOL = "builder.out"


def open_spool(folder: Path) -> TextIO:
    """The spool of a build, to add records to."""
    return os.fdopen(safe_files.open_append(folder / SPOOL), "a", encoding="utf-8")


def write_record(spool: TextIO, record: dict[str, object]) -> None:
    """Append one line and hand it to the system at once: a kill loses nothing before it."""
    spool.write(json.dumps(record) + "\n")
    spool.flush()


def read_calls(folder: Path) -> tuple[ModelCall, ...]:
    """The calls spooled so far; a line cut off by a kill was not a call that ended.

    Raises UnreadableSpool with the calls that could be read.
    """
    try:
        text = safe_files.read_text(folder / SPOOL, errors="surrogateescape")
    except FileNotFoundError:
        return ()
    calls: list[ModelCall] = []
    unread: list[str] = []
    for line in text.split("\n")[:-1]:
        try:
            record = json.loads(line)
            if "call" in record:
                calls.append(RecordedCall.model_validate(record["call"]).as_model_call())
        except (ValueError, TypeError):
            unread.append(line)
    if unread:
        raise UnreadableSpool(f"{len(unread)} lines of {SPOOL} cannot be read", calls, unread)
    return tuple(calls)
