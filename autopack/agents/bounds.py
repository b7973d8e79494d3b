"""The limits of an agent's program that its user declares: its silence, the files it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopack.agents.protocol import BuildStatus
from autopack.files import safe_files
from autopack.process.limits import FileLimit, Limit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from autopack.agents.protocol import BuildRequest
    from autopack.process.exit_note import ExitNote
    from autopack.process.supervisor import Exit


@dataclass(frozen=True)
class Bounds:
    """``silence``: after so many seconds without output a build counts as stalled. ``files``: so
    many it may add to its worktree and its home."""

    silence: float
    files: int

    def of_files(self, request: BuildRequest) -> FileLimit:
        """Return where a build may leave files, and how many."""
        return FileLimit((request.worktree, request.spool), self.files)


def sizes(paths: Iterable[Path]) -> tuple[tuple[int, int], ...]:
    """Return how large files are that a program writes, and when they were written."""
    found: list[tuple[int, int]] = []
    for path in paths:
        try:
            about = safe_files.status(path)
        except OSError:
            continue
        found.append((about.st_size, about.st_mtime_ns))
    return tuple(found)


def unattended(noted: ExitNote, output: Path) -> Exit:
    """Return how a program ended that nobody watched, with the end of its ``output``.

    It came to no limit: that would have taken somebody who watches.
    """
    from autopack.process.supervisor import TAIL_BYTES, Exit, tail

    return Exit(noted.status, False, False, 0.0, tail(output, TAIL_BYTES))


def ended_early(end: Exit) -> tuple[BuildStatus, str] | None:
    """Return how a build counts whose program came to a limit, and in which words; None for
    others.
    """
    if end.limit is None:
        return None
    if end.limit in (Limit.TIME, Limit.SILENCE):
        return BuildStatus.TIMED_OUT, end.reason
    return BuildStatus.FAILED, f"ended: it {end.reason}"
