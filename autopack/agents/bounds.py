"""The limits of an agent's program, and how its build ended: at one of them, or by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autopack.agents.protocol import BuildResult, BuildStatus, EndedBy
from autopack.agents.usage_reading import Usage
from autopack.files import safe_files
from autopack.process.limits import FileLimit, Limit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from autopack.agents.protocol import BuildRequest
    from autopack.process.exit_note import ExitNote
    from autopack.process.supervisor import Exit

_LONGEST = 2000
_LONGEST_ANSWER = 64_000


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


def result_of(usage: Usage, end: Exit | None, ended_because: str | None) -> BuildResult:
    """Return how a build ended; ``ended_because`` is why a watch ended it, without an ``end``."""
    calls = usage.calls
    if end is None:
        # A watch ends an agent only for what its provider answers.
        return BuildResult(
            BuildStatus.FAILED,
            None,
            f"ended: {ended_because}",
            calls,
            ended_by=EndedBy.PROVIDER,
            http_status=usage.http_status,
            retry_after=usage.retry_after,
            evidence=ended_because or "",
        )
    early = ended_early(end)
    if early is not None:
        status, reason = early
        return BuildResult(status, end.status, reason, calls, ended_by=EndedBy.AUTOPACK)
    if usage.error:
        return failed_by(usage, usage.error, end.status)
    if end.status != 0 and usage.said is None:
        printed = end.tail[-_LONGEST:].strip()
        summary = f"exit status {end.status}: {printed}"
        return BuildResult(BuildStatus.FAILED, end.status, summary, calls, evidence=printed)
    words = (usage.said or "")[:_LONGEST]
    said = (usage.said or end.tail)[:_LONGEST_ANSWER]
    return BuildResult(BuildStatus.ENDED, end.status, words, calls, evidence=words, said=said)


def failed_by(usage: Usage, error: str, status: int | None) -> BuildResult:
    """Return the end of a build whose output says which error ended it."""
    prefix = f"provider error {usage.http_status}: " if usage.http_status else ""
    return BuildResult(
        BuildStatus.FAILED,
        status,
        (prefix + error)[:_LONGEST],
        usage.calls,
        ended_by=EndedBy.PROVIDER if usage.http_status else EndedBy.BUILDER,
        http_status=usage.http_status,
        retry_after=usage.retry_after,
        evidence=error[:_LONGEST],
    )
