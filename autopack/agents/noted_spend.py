"""What a program spent, noted when its build has ended: its own files may be gone by then."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from autopack.agents.protocol import Spend
from autopack.files import safe_files
from autopack.files.durable import write_whole
from autopack.model.calls import Exactness, ModelCall

_CALLS = "calls.json"


def write_spend(spool: Path, spend: Spend) -> None:
    """Note what a build spent."""
    noted = {
        "exactness": spend.exactness.value,
        "calls": [asdict(call) for call in spend.calls],
    }
    write_whole(spool / _CALLS, json.dumps(noted))


def read_noted(spool: Path) -> Spend | None:
    """Return what was noted at the end of a build.

    None when it was cut off, or the note cannot be read: then its output tells.
    """
    try:
        noted: object = json.loads(safe_files.read_text(spool / _CALLS))
        # Earlier versions noted the calls alone, in a list.
        whole = cast("dict[str, Any]", noted) if isinstance(noted, dict) else {"calls": noted}
        calls: list[ModelCall] = []
        for call in cast("list[dict[str, Any]]", whole["calls"]):
            call["exactness"] = Exactness(call["exactness"])
            calls.append(ModelCall(**call))
        return Spend(tuple(calls), Exactness(whole.get("exactness", Exactness.PARTIAL)))
    except (OSError, ValueError, TypeError, KeyError):
        return None
