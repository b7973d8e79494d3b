"""Which evidence holds: pure functions of the record and of the bytes of its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from autopack.research.evidence import Evidence, Quality
from autopack.research.sources.source_protocol import SourceFacts


class Reason(StrEnum):
    """Why evidence is rejected."""

    NO_SOURCE = "no_source"
    OTHER_SOURCE = "other_source"
    NO_QUOTE = "no_quote"
    TOO_SHORT = "too_short"
    NOT_FOUND = "not_found"
    WRONG_OFFSET = "wrong_offset"
    AMBIGUOUS = "ambiguous"
    NOT_WHOLE_LINES = "not_whole_lines"
    NUMBER_NOT_QUOTED = "number_not_quoted"
    HASH_DIFFERS = "hash_differs"
    NO_QUERY = "no_query"
    NOTHING_FOLLOWED = "nothing_followed"


@dataclass(frozen=True)
class Rejection:
    """Why evidence does not hold; ``sentence`` tells who wrote it what to do."""

    reason: Reason
    sentence: str


def rejections(
    evidence: Evidence, content: bytes | None, *, is_code: bool, others: Sequence[Evidence] = ()
) -> tuple[Rejection, ...]:
    """Return every reason why ``evidence`` does not hold; none when it does.

    ``content`` are the bytes of its source, None when there is no such source; ``others`` the list
    that the evidence stands in, for what is derived.
    """
    raise NotImplementedError


def sealed(draft: Evidence, content: bytes, *, is_code: bool) -> Evidence:
    """Return a quoted draft with its offsets, hashes and quote as the source has them.

    A draft has a claim and a quote, perhaps offsets; where its quote is not in the source exactly
    once it comes back as it is, and `rejections` says why.
    """
    raise NotImplementedError


def quality_of(facts: SourceFacts, *, is_seconded: bool) -> Quality:
    """Return the quality of evidence from one source; a second one, of another origin, agrees."""
    raise NotImplementedError
