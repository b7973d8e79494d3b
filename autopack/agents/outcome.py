"""How the build of a program ended, told by its exit and by what its output says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopack.agents.bounds import ended_early
from autopack.agents.protocol import BuildResult, BuildStatus, EndedBy
from autopack.agents.usage_reading import Usage

if TYPE_CHECKING:
    from autopack.process.supervisor import Exit

_LONGEST = 2000


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
    return BuildResult(BuildStatus.ENDED, end.status, words, calls, evidence=words)


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
