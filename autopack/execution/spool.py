"""One attempt's spool folder: what was printed and spent, and how the build ended.

The note of the end is written once, whole or not at all, so that a run that died just after a
build knows that it need not be paid for again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from autopack.builders.protocol import BuildResult, BuildStatus, EndedBy

_END = "build.json"


@dataclass(frozen=True)
class BuildEnd:
    """How a build ended, apart from its calls (which are in the builder's own output).

    The fields mean what they mean in BuildResult.
    """

    status: BuildStatus
    exit_status: int | None
    summary: str
    ended_by: EndedBy = EndedBy.BUILDER
    http_status: int | None = None
    retry_after: float | None = None
    evidence: str = ""

    @classmethod
    def of(cls, result: BuildResult) -> BuildEnd:
        """What of a result is noted."""
        return cls(**{one.name: getattr(result, one.name) for one in fields(cls)})


def spool_folder(run_folder: Path, phase_id: str, attempt: int) -> Path:
    """Where one attempt of a run prints and counts."""
    return run_folder / "spool" / phase_id / str(attempt)


def write_end(spool: Path, result: BuildResult) -> None:
    """Note that the build ended."""
    note = asdict(BuildEnd.of(result))
    part = spool / f"{_END}.part"
    part.write_text(json.dumps(note), encoding="utf-8")
    part.replace(spool / _END)


def read_end(spool: Path) -> BuildEnd | None:
    """How the build ended, or None when it was cut off."""
    path = spool / _END
    if not path.exists():
        return None
    note: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    # A note of an earlier version has fewer fields, one of a later version may have more.
    known = {one.name: note[one.name] for one in fields(BuildEnd) if one.name in note}
    known["status"] = BuildStatus(note["status"])
    known["ended_by"] = EndedBy(note.get("ended_by", EndedBy.BUILDER))
    return BuildEnd(**known)
