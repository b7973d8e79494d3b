"""Whether it was the provider that failed a build: what a circuit counts, and the cause's name."""

from __future__ import annotations

import re

from autopack.builders.protocol import BuildStatus
from autopack.recovery.causes import FailureCause

_RATE_LIMIT = re.compile(r"\b(429|529)\b|rate.?limit|overloaded|too many requests", re.I)
_DOWN = re.compile(
    r"\b50\d\b|internal server error|service unavailable|bad gateway|connection (refused|reset"
    r"|error)|could not connect|unable to connect|stream disconnected|ENOTFOUND|ECONNREFUSED",
    re.I,
)


def provider_failure(status: str | None, summary: str | None, calls: int) -> FailureCause | None:
    """Why the provider is to blame for how a build ended; None when it is not.

    ``calls`` is how many model calls the build completed: one that ran out of time without any
    waited for an answer that never came.
    """
    if status == BuildStatus.TIMED_OUT and calls == 0:
        return FailureCause.PROVIDER_ERROR
    if status != BuildStatus.FAILED:
        return None
    if _RATE_LIMIT.search(summary or ""):
        return FailureCause.RATE_LIMIT
    return FailureCause.PROVIDER_ERROR if _DOWN.search(summary or "") else None
