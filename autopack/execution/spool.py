"""One attempt's spool folder: what was printed and spent, and how the build ended.

The note of the end is written once, whole or not at all, so that a run that died just after a
build knows that it need not be paid for again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from autopack.builders.protocol import BuildResult, BuildStatus

_END = "build.json"


@dataclass(frozen=True)
class BuildEnd:
    """How a build ended, apart from its calls (which are in the builder's own output)."""

    status: BuildStatus
    exit_status: int | None
    summary: str


def spool_folder(run_folder: Path, phase_id: str, attempt: int) -> Path:
    """Where one attempt of a run prints and counts."""
    return run_folder / "spool" / phase_id / str(attempt)


def write_end(spool: Path, result: BuildResult) -> None:
    """Note that the build ended."""
    note = {
        "status": result.status.value,
        "exit_status": result.exit_status,
        "summary": result.summary,
    }
    part = spool / f"{_END}.part"
    part.write_text(json.dumps(note), encoding="utf-8")
    part.replace(spool / _END)


def read_end(spool: Path) -> BuildEnd | None:
    """How the build ended, or None when it was cut off."""
    path = spool / _END
    if not path.exists():
        return None
    note = json.loads(path.read_text(encoding="utf-8"))
    return BuildEnd(BuildStatus(note["status"]), note["exit_status"], note["summary"])
