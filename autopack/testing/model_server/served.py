"""What the server answered, and the sums over it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from autopack.testing.model_server.model_script import Mode, Tokens


@dataclass(frozen=True)
class Served:
    """One model request and what it got.

    ``response_id`` is None for an answer that is not a model's: an HTTP error or none at all.
    ``complete`` is whether the last byte was sent; providers bill an answer that the client did
    not wait for as well. ``conversation`` and ``turn`` count from 0 and are None for an aside.
    """

    api: str
    mode: Mode
    status: int
    model: str
    response_id: str | None = None
    tokens: Tokens = field(default_factory=Tokens)
    complete: bool = False
    conversation: int | None = None
    turn: int | None = None
    request: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)

    def summary(self) -> dict[str, Any]:
        """Return the same as JSON, without the request."""
        own = ("api", "mode", "status", "model", "response_id", "complete", "conversation", "turn")
        return {name: getattr(self, name) for name in own} | {"tokens": self.tokens.model_dump()}


@dataclass(frozen=True)
class Totals:
    """Sums over model answers, in the meaning used everywhere: ``input`` excludes cache,
    ``output`` includes reasoning, ``total = input + cache_read + cache_write + output``."""

    calls: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    total: int = 0


def add_up(served: Iterable[Served]) -> Totals:
    """Return the totals of the answers among ``served`` that carried an id, complete or not."""
    answers = [one.tokens for one in served if one.response_id is not None]
    return Totals(
        calls=len(answers),
        input=sum(tokens.input for tokens in answers),
        cache_read=sum(tokens.cache_read for tokens in answers),
        cache_write=sum(tokens.cache_write for tokens in answers),
        output=sum(tokens.output for tokens in answers),
        reasoning=sum(tokens.reasoning for tokens in answers),
        total=sum(tokens.total for tokens in answers),
    )
