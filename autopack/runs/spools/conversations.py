"""The conversations of agents in a run's folder: which a retry continues, and their end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from autopack.agents.continuing import forget, has_left, kept_session
from autopack.files import safe_files
from autopack.model.states import AttemptState
from autopack.runs.spools.spool import spool_folder
from autopack.store.rows import AttemptRow


def to_continue(run_folder: Path, attempts: Sequence[AttemptRow], revision: int) -> int | None:
    """Return the attempt at a phase whose conversation the next may continue.

    The latest one that failed. One that trouble outside ended is passed over where its agent had
    not come to keep anything. A replanned phase is another task.
    """
    failed = [
        one for one in attempts if one.state is AttemptState.FAILED and one.revision == revision
    ]
    for one in reversed(failed):
        if one.counts or kept_session(spool_folder(run_folder, one.key)) is not None:
            return one.attempt
    return None


def forget_conversations(run_folder: Path, phase_id: str | None = None) -> None:
    """Remove what is kept of the conversations of a phase that ended, or of the whole run."""
    for spool in _spools(run_folder, phase_id):
        with contextlib.suppress(OSError):
            forget(spool)


def has_conversations(run_folder: Path) -> bool:
    """Return whether anything is kept of a run's conversations."""
    return any(map(has_left, _spools(run_folder)))


def _spools(run_folder: Path, phase_id: str | None = None) -> Iterator[Path]:
    folder = run_folder / "spool"
    for phase in safe_files.names(folder) if phase_id is None else (phase_id,):
        for attempt in safe_files.names(folder / phase):
            if attempt.isdecimal():
                yield folder / phase / attempt
