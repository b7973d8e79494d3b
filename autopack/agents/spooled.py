"""The spool of builders that run in this process: one JSON object a line, calls among them.

``{"asked": N}`` stands before the answer to a call: ``{"call": {…}}``, or ``{"refused": STATUS}``
for one that cost nothing. A call without an answer was under way when the build ended, and what
it used is not known. ``{"told": "partial"}`` says that of a whole recorded build.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TextIO

from autopack.agents.protocol import (
    Spend,
    UnreadableSpool,
)
from autopack.agents.recorded_call import (
    RecordedCall,
)
from autopack.files import safe_files
from autopack.model.calls import (
    Exactness,
    ModelCall,
)

SPOOL = "builder.out"


def open_spool(folder: Path) -> TextIO:
    """Return the spool of a build, to add records to."""
    return os.fdopen(safe_files.open_append(folder / SPOOL), "a", encoding="utf-8")


def write_record(spool: TextIO, record: dict[str, object]) -> None:
    """Append one line and hand it to the system at once: a kill loses nothing before it."""
    spool.write(json.dumps(record) + "\n")
    spool.flush()


def read_calls(folder: Path) -> tuple[ModelCall, ...]:
    """Return the calls spooled so far; a line cut off by a kill was not a call that ended.

    Raises UnreadableSpool with the calls that could be read.
    """
    return tuple(read_spend(folder).calls)


def read_spend(folder: Path) -> Spend:
    """Return the same, and whether it is all that was used."""
    try:
        text = safe_files.read_text(folder / SPOOL, errors="surrogateescape")
    except FileNotFoundError:
        return Spend()
    calls: list[ModelCall] = []
    unread: list[str] = []
    asked = answered = 0
    told = Exactness.EXACT
    for line in text.split("\n")[:-1]:
        try:
            record = json.loads(line)
            asked += "asked" in record
            answered += "call" in record or "refused" in record
            if "told" in record:
                told = Exactness(record["told"])
            if "call" in record:
                calls.append(RecordedCall.model_validate(record["call"]).as_model_call())
        except (ValueError, TypeError):
            unread.append(line)
    if unread:
        raise UnreadableSpool(f"{len(unread)} lines of {SPOOL} cannot be read", calls, unread)
    if told is Exactness.EXACT and asked > answered:
        told = Exactness.PARTIAL
    if told is not Exactness.EXACT and not any(call.total for call in calls):
        told = Exactness.UNKNOWN
    return Spend(tuple(calls), told)
