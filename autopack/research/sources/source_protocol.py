"""What every source of research is: it searches, it reads, and its failures have names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from autopack.research.rank import Rank

MOST_PASSAGE_BYTES = 4_000
"""How long the text of one passage is at most."""
MOST_SOURCE_BYTES = 2_000_000
"""How long one source, a file or a page, is at most: what is longer is not searched."""
MOST_PASSAGES = 8
"""How many passages a query brings at most, from one source."""


@dataclass(frozen=True)
class Query:
    """What a source is asked: words, or a question.

    ``paths`` are files that the question is about, where that is known; ``most`` is how many
    passages are wanted.
    """

    text: str
    paths: tuple[str, ...] = ()
    most: int = MOST_PASSAGES


@dataclass(frozen=True)
class SourceFacts:
    """What is known of a passage's origin without judging it; None is not known.

    ``is_primary`` says that it is the thing asked about or comes from its makers. ``version`` is
    that of what is quoted, ``installed_version`` the one in the environment of the run. Passages
    of the same ``origin`` (a repository, a distribution, a host) cannot second each other.
    """

    is_primary: bool
    rank: Rank
    origin: str
    version: str | None = None
    installed_version: str | None = None

    @property
    def is_code(self) -> bool:
        """Whether quotations from it have whole lines."""
        return self.rank is Rank.CODE


@dataclass(frozen=True)
class Passage:
    """A piece of a source: its bytes from ``start`` up to ``end`` of the whole, and its score.

    ``read(locator)`` of the source gives the whole, in which quotations are counted.
    """

    source_id: str
    locator: str
    content: bytes
    start: int
    end: int
    score: float
    facts: SourceFacts

    @property
    def text(self) -> str:
        """The content as text, for people and models."""
        return self.content.decode("utf-8", "replace")


class FailureKind(StrEnum):
    """Why a source, or a part of it, could not be read."""

    TIMED_OUT = "timed_out"
    TOO_LARGE = "too_large"
    REFUSED = "refused"
    CRASHED = "died"  # the word of reports that are stored
    DIED = "died"  # the same by the name of earlier versions, for packages
    UNREADABLE = "unreadable"
    NOT_FOUND = "not_found"
    UNREACHABLE = "unreachable"
    WRONG_TYPE = "wrong_type"


class SourceFailure(Exception):
    """A source failed, by name and in one bounded sentence; the others are asked all the same."""

    def __init__(self, source_id: str, kind: FailureKind, message: str) -> None:
        self.source_id = source_id
        self.kind = kind
        self.message = " ".join(message.split())[:400]
        super().__init__(f"{source_id}: {self.message}")

    def as_json(self) -> dict[str, str]:
        """Return the failure as it stands under ``sources`` in a report."""
        return {
            "source_id": self.source_id,
            "kind": self.kind.value,
            "message": self.message,
        }


@runtime_checkable
class Source(Protocol):
    """Where research looks. Both methods raise SourceFailure, and nothing else, when they fail.

    ``failures`` are parts that could not be read, such as one broken distribution of many; the
    rest was searched.
    """

    @property
    def name(self) -> str:
        """How it is called in a plan's list, and the ``source_id`` of what it brings."""
        ...

    @property
    def failures(self) -> Sequence[SourceFailure]:
        """What was skipped so far, each named once."""
        ...

    def search(self, query: Query) -> Sequence[Passage]:
        """Return the passages that fit best, best first; the same question, the same answer."""
        ...

    def read(self, locator: str) -> bytes:
        """Return all bytes of what ``locator`` names, one of its own passages'."""
        ...
