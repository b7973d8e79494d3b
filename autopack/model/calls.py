"""What one model call used, in the one meaning used everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Exactness(StrEnum):
    """How far a usage figure can be trusted."""

    EXACT = "exact"
    PARTIAL = "partial"
    """Counted up to a kill: what is there is true, something may be missing."""
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ModelCall:
    """The tokens of one model call, in the one meaning used everywhere.

    ``input`` excludes cached tokens; ``reasoning`` is part of ``output``;
    ``total = input + cache_read + cache_write + output`` when the split is known. A call that
    reports only a total has every other figure None. ``cache_write_1h`` is the part of
    ``cache_write`` that is kept for an hour and has its own price. A sum of several requests says
    in ``most_input`` how much one of them can have taken in at most; it is None for one request.
    """

    provider: str
    model: str
    total: int
    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None
    response_id: str | None = None
    exactness: Exactness = Exactness.EXACT
    cache_write_1h: int | None = None
    most_input: int | None = None

    @property
    def taken_in(self) -> int:
        """Everything that was sent: fresh, read from the cache, written to it."""
        return (self.input or 0) + (self.cache_read or 0) + (self.cache_write or 0)


MOST_TOKENS = 10**10
"""No figure of one call reaches this; a larger one is a fault of the program that reports it."""
