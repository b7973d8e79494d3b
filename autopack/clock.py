"""The one source of time, so that tests can move it."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for durations."""

    def now(self) -> datetime:
        """Return the current time, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards; on most systems, none while the machine sleeps."""
        ...

    def uptime(self) -> float:
        """Seconds that never go backwards and count the machine's sleep, too.

        The same for all processes of a machine until it restarts, also when its time of day is set.
        """
        ...


def _uptime_clock() -> int | None:
    """Return the clock that runs while the machine sleeps; None where time.monotonic is the
    best.
    """
    if sys.platform == "darwin":
        return time.CLOCK_MONOTONIC  # time.monotonic stands still there
    return getattr(time, "CLOCK_BOOTTIME", None)


_UPTIME = _uptime_clock()


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def uptime(self) -> float:
        return time.clock_gettime(_UPTIME) if _UPTIME is not None else time.monotonic()


@dataclass
class ManualClock:
    """A clock that moves only when told to; for tests and simulations."""

    at: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    elapsed: float = 0.0
    slept: float = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.elapsed

    def uptime(self) -> float:
        return self.elapsed + self.slept

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.elapsed += seconds

    def sleep(self, seconds: float) -> None:
        """Let the machine sleep: the time of day and its uptime go on, nothing else does."""
        self.at += timedelta(seconds=seconds)
        self.slept += seconds


def in_utc(moment: datetime) -> datetime:
    """Return a moment in UTC, in which it is unless it says otherwise.

    Raises ValueError for one that is in no year of UTC, at either end of the calendar.
    """
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{moment} is in no year of UTC") from error
