"""One attempt's spool folder: what was printed and spent, and how the build ended.

The note of the end is written once, whole or not at all, and only when what the build left is on
disk: a run that crashed just after a build knows that it need not be paid for again.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pydantic import TypeAdapter

from autopack.agents.protocol import BuildResult, BuildStatus, Conversation, EndedBy
from autopack.failpoints import Step, durable
from autopack.files import safe_files
from autopack.files.asides import set_aside
from autopack.files.durable import flush_files, write_whole
from autopack.model.errors import Refused
from autopack.model.ids import AttemptKey

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
    conversation: Conversation | None = None
    checkout: str | None = None

    @classmethod
    def of(cls, result: BuildResult, checkout: str | None = None) -> BuildEnd:
        """Return what of a result is noted."""
        noted = [one.name for one in fields(cls) if one.name != "checkout"]
        return cls(**{name: getattr(result, name) for name in noted}, checkout=checkout)


def spool_folder(run_folder: Path, key: AttemptKey) -> Path:
    """Return where one attempt of a run prints and counts."""
    return run_folder / "spool" / key.phase_id / str(key.attempt)


def open_spool(run_folder: Path, key: AttemptKey) -> Path:
    """Return the same, made where it is not there."""
    return safe_files.make_folder(spool_folder(run_folder, key), below=run_folder)


def write_end(spool: Path, result: BuildResult, worktree: Path | None = None) -> None:
    """Note that the build ended, with its work in ``worktree``."""
    if worktree is not None:
        flush_files(worktree)
    flush_files(spool)
    note = BuildEnd.of(result, None if worktree is None else worktree.name)
    with durable(Step.BUILD_NOTED):
        write_whole(spool / _END, json.dumps(asdict(note)))


def read_end(spool: Path) -> BuildEnd | None:
    """Return how the build ended, or None when it was cut off."""
    path = spool / _END
    try:
        # A note of an earlier version has fewer fields, one of a later version may have more.
        return TypeAdapter(BuildEnd).validate_json(safe_files.read_bytes(path))
    except (OSError, ValueError) as error:
        if not os.path.lexists(path):
            return None
        reason = str(error).splitlines()[0]
        set_aside(path, run_folder_of(spool), f"it does not say how a build ended: {reason}")
        return None


def make_spool(run_folder: Path, key: AttemptKey) -> Path:
    """Return the folder of an attempt that is about to be started, empty.

    Its number is new, so what lies there is of another time: of a database that was restored from
    a backup since. That is set aside and never read.
    """
    spool = spool_folder(run_folder, key)
    safe_files.make_folder(spool.parent, below=run_folder)
    if safe_files.names(spool) or (os.path.lexists(spool) and not safe_files.is_folder(spool)):
        reason = f"attempt {key.attempt} of {key.phase_id} is not started yet"
        if set_aside(spool, run_folder, reason) is None and os.path.lexists(spool):
            raise Refused(f"{spool} is in the way of a new attempt", field="run_id")
    return open_spool(run_folder, key)


def run_folder_of(spool: Path) -> Path:
    """Return the folder of the run that an attempt's spool is in."""
    return spool.parent.parent.parent
