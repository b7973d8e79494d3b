"""Recording what a build left as a commit, also where git refuses what it left."""

from __future__ import annotations

from collections.abc import Sequence

from autopack.model.errors import AutopackError
from autopack.runs.spools.blame import is_of_content
from autopack.runs.spools.record_build import BuildRecorder, readable
from autopack.store.runs import AttemptRow, DecisionRow
from autopack.workspace.content.staging import Refused
from autopack.workspace.workspace import Snapshot, Workspace

_NAMED = 10

_UNRECORDED = "unrecorded"
"""The kind of decision that says why an attempt's commit lacks everything that it did."""


def record_tree(
    workspace: Workspace, *, parent: str, message: str, ref: str | None
) -> tuple[Snapshot, str | None]:
    """Commit what is in ``workspace``, and the reason where some or all of it cannot be.

    Where nothing can be, the commit is an empty change. Without a ``ref`` only the caller knows of
    the commit. Raises when the reason lies outside the files.
    """
    try:
        snapshot = workspace.snapshot(parent=parent, message=message, ref=ref)
        return snapshot, _told(snapshot.refused)
    except Exception as error:
        if not is_of_content(error):
            raise
        said = error.message if isinstance(error, AutopackError) else str(error)
        reason = said.encode("utf-8", "backslashreplace").decode().strip() or type(error).__name__
        return workspace.empty_snapshot(parent=parent, message=message, ref=ref), reason[:1000]


def note_unrecorded(recorder: BuildRecorder, attempt: AttemptRow, reason: str) -> None:
    """Keep why an attempt's commit is empty, before the attempt is BUILT. Raises LeaseLost."""
    words = f"what it made cannot be recorded: {reason}"
    recorder.note(attempt, _UNRECORDED, words)


def why_unrecorded(decisions: Sequence[DecisionRow], attempt: AttemptRow) -> str | None:
    """Return why an attempt's commit does not hold what it made; None when it does."""
    about = (attempt.phase_id, attempt.attempt, _UNRECORDED)
    for one in decisions:
        if (one.phase_id, one.attempt, one.kind) == about:
            return one.reason
    return None


def _told(refused: Sequence[Refused]) -> str | None:
    if not refused:
        return None
    lines = [readable(f"{one.path}: {one.reason}") for one in refused[:_NAMED]]
    if len(refused) > _NAMED:
        lines.append(f"and {len(refused) - _NAMED} more")
    return "; ".join(lines)[:1000]
