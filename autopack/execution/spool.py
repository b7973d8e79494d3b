"""One attempt's spool folder: what was printed and spent, and how the build ended.

The note of the end is written once, whole or not at all, and only when what the build left is on
disk: a run that died just after a build knows that it need not be paid for again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from autopack.builders.protocol import BuildResult, BuildStatus, EndedBy
from autopack.durable import flush_files, write_whole

_END = "build.json"


@dataclass(frozen=True)
class BuildEnd:
    """How a build ended, apart from its calls (which are in the builder's own output).

    The fields mean what they mean in BuildResult. ``checkout`` names the checkout of the run that
    it worked in; None where that was not noted.
    """

    status: BuildStatus
    exit_status: int | None
    summary: str
    ended_by: EndedBy = EndedBy.BUILDER
    http_status: int | None = None
    retry_after: float | None = None
    evidence: str = ""
    checkout: str | None = None

    @classmethod
    def of(cls, result: BuildResult, checkout: str | None = None) -> BuildEnd:
        """What of a result is noted."""
        noted = [one.name for one in fields(cls) if one.name != "checkout"]
        return cls(**{name: getattr(result, name) for name in noted}, checkout=checkout)


def spool_folder(run_folder: Path, phase_id: str, attempt: int) -> Path:
    """Where one attempt of a run prints and counts."""
    return run_folder / "spool" / phase_id / str(attempt)


def write_end(spool: Path, result: BuildResult, worktree: Path | None = None) -> None:
    """Note that the build ended, with its work in ``worktree``."""
    if worktree is not None:
        flush_files(worktree)
    flush_files(spool)
    note = BuildEnd.of(result, None if worktree is None else worktree.name)
    write_whole(spool / _END, json.dumps(asdict(note)))


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
