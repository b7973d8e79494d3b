"""Why evidence does not hold: a name for programs, a sentence for who wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why evidence is rejected."""

    INCOMPLETE = "incomplete"
    NO_SOURCE = "no_source"
    OTHER_SOURCE = "other_source"
    TOO_SHORT = "too_short"
    NOT_FOUND = "not_found"
    WRONG_OFFSET = "wrong_offset"
    AMBIGUOUS = "ambiguous"
    NOT_WHOLE_WORDS = "not_whole_words"
    NOT_WHOLE_LINES = "not_whole_lines"
    NUMBER_NOT_QUOTED = "number_not_quoted"
    HASH_DIFFERS = "hash_differs"
    UNDECLARED_ABSENCE = "undeclared_absence"
    NO_QUERY = "no_query"
    QUERY_FINDS = "query_finds"
    FOLLOWS_FROM_NOTHING = "follows_from_nothing"
    UNCHECKED_QUOTE = "unchecked_quote"
    # What only checking a report again finds.
    NOT_KEPT = "not_kept"
    CHANGED_SINCE = "changed_since"
    CITED_OTHERWISE = "cited_otherwise"


@dataclass(frozen=True)
class Rejection:
    """Why evidence does not hold; ``sentence`` tells who wrote it what to do."""

    reason: Reason
    sentence: str
