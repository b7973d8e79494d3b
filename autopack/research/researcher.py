"""The Researcher protocol: a model that is asked in three steps, and what it may answer in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from autopack.model.calls import ModelCall
from autopack.model.errors import WorkFailed
from autopack.research.evidence import EvidenceKind
from autopack.store.columns import Category

BYTES_A_TOKEN = 3
"""How many bytes a token has at least on average, in text that is no prose."""


class AskedFor(StrEnum):
    """What a model is asked for."""

    CLARIFY = "clarify"
    """What the questions mean, and what no source can answer."""
    GATHER = "gather"
    """What else to search for."""
    WRITE = "write"
    """The claims, each with its quotation."""


CATEGORY_OF: Mapping[AskedFor, Category] = MappingProxyType(
    {
        AskedFor.CLARIFY: "evidence_request",
        AskedFor.GATHER: "retrieval",
        AskedFor.WRITE: "base",
    }
)
"""What each of them is spent for."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClarifiedQuestion(_Answer):
    """What one question means. ``ask`` is what only a person can answer."""

    question: int = Field(ge=1)
    intent: str = Field(default="", max_length=1_000)
    aspects: tuple[str, ...] = Field(default=(), max_length=10)
    queries: tuple[str, ...] = Field(default=(), max_length=5)
    ask: tuple[str, ...] = Field(default=(), max_length=3)


class Clarified(_Answer):
    """What the questions mean."""

    questions: tuple[ClarifiedQuestion, ...] = Field(default=(), max_length=20)


class Searches(_Answer):
    """What else to search for; nothing when enough was found."""

    queries: tuple[str, ...] = Field(default=(), max_length=10)


class Draft(_Answer):
    """A claim that answers a question, with what it rests on.

    ``passage`` is the number of a passage that was shown, ``quote`` words of it; ``follows_from``
    are the numbers of other claims of the list, from 1, for a derived one. ``query`` is the search
    that found nothing, for a claim of absence.
    """

    question: int = Field(ge=1)
    claim: str = Field(min_length=1, max_length=2_000)
    kind: EvidenceKind = EvidenceKind.QUOTED
    passage: int | None = None
    quote: str | None = Field(default=None, max_length=4_000)
    follows_from: tuple[int, ...] = Field(default=(), max_length=20)
    absence: bool = False
    query: str | None = Field(default=None, max_length=1_000)


class Contradiction(_Answer):
    """Two claims of the list, by their numbers, that cannot both be true."""

    between: tuple[int, int]
    about: str = Field(max_length=1_000)


class Missing(_Answer):
    """What was not found of a question."""

    question: int = Field(ge=1)
    what: str = Field(max_length=1_000)


class Written(_Answer):
    """All claims, the contradictions among them, and what was not found."""

    claims: tuple[Draft, ...] = Field(default=(), max_length=100)
    contradictions: tuple[Contradiction, ...] = Field(default=(), max_length=20)
    missing: tuple[Missing, ...] = Field(default=(), max_length=40)


ANSWERS: Mapping[AskedFor, type[Clarified | Searches | Written]] = MappingProxyType(
    {
        AskedFor.CLARIFY: Clarified,
        AskedFor.GATHER: Searches,
        AskedFor.WRITE: Written,
    }
)
"""The shape of each answer."""


@dataclass(frozen=True)
class Reply:
    """An answer, and the model calls that it took."""

    answer: Clarified | Searches | Written
    calls: Sequence[ModelCall] = field(default_factory=tuple[ModelCall, ...])


class ResearchFailed(WorkFailed):
    """A model could not be asked, or did not answer; ``calls`` are what that cost all the same.

    ``http_status`` and ``retry_after`` are the provider's, where it was that; ``is_provider`` tells
    whether.
    """

    kind = "research"

    def __init__(
        self,
        message: str,
        calls: Sequence[ModelCall] = (),
        *,
        is_provider: bool = False,
        http_status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.calls = calls
        self.is_provider = is_provider
        self.http_status = http_status
        self.retry_after = retry_after


@dataclass(frozen=True)
class Ask:
    """One call: what for, in which words, the ``number``-th of its kind in the phase, from 1.

    ``answer_tokens`` is the longest answer.
    """

    step: AskedFor
    prompt: str
    number: int
    answer_tokens: int


class Researcher(Protocol):
    """A model behind research."""

    name: str
    """What it is reached through: ``api`` or ``script``."""
    model: str | None
    """Its model, where that is known."""
    simulated: bool
    """Whether nobody is paid."""
    seconds: float
    """How long an answer may take."""
    overhead_tokens: int
    """What a call takes besides its prompt and its answer, at most."""
    least_answer: int
    """An answer of fewer tokens is of no use."""

    def most(self, ask: Ask) -> ModelCall:
        """Return what asking uses at most, which is set aside before it is done."""
        ...

    async def ask(self, ask: Ask) -> Reply:
        """Answer. Raises ResearchFailed."""
        ...
