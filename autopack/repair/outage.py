"""How long a run waits while its provider is in trouble: growing pauses, bounded in all.

Pauses double from two seconds to two minutes, with a fifth of jitter either way so that runs do
not come back all at once; a longer ``Retry-After`` is kept. An outage ends with the first build
that ends by contract, or with the run's patience.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 120.0
JITTER = 0.2
LONGEST_ASKED = 3600.0
"""A provider that asks for a longer pause than this is asked again after it."""


@dataclass(frozen=True)
class Outage:
    """An outage at one moment, in seconds of one monotonic clock.

    ``since`` is when it was first seen, None while there is none; ``failures`` counts builds that
    it ended, one after the other; none is begun before ``until``.
    """

    since: float | None = None
    failures: int = 0
    until: float = 0.0

    def lasted(self, at: float) -> float:
        """Return the seconds since it was first seen; 0 when there is none."""
        return 0.0 if self.since is None else max(at - self.since, 0.0)

    def pause(self, at: float) -> float:
        """Return the seconds to wait before another build."""
        return max(self.until - at, 0.0)


def failed(outage: Outage, at: float, *, seed: str, retry_after: float | None = None) -> Outage:
    """Return the outage after one more build that the provider ended.

    ``seed`` makes the jitter differ between runs, and a run's pauses repeatable.
    """
    failures = outage.failures + 1
    pause = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 30), LONGEST_PAUSE)
    jitter = Random(f"{seed}/{failures}").uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
    wanted = max(pause * jitter, min(retry_after or 0.0, LONGEST_ASKED))
    return Outage(at if outage.since is None else outage.since, failures, at + wanted)


def refused(outage: Outage, at: float) -> Outage:
    """Return the outage after an open circuit let no build through."""
    return outage if outage.since is not None else replace(outage, since=at)
