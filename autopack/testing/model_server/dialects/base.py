"""What the server needs of a model API: read a request, write an answer, an event, an error."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from autopack.testing.model_server.model_script import Tokens, ToolCall

Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What a request says that matters to a script.

    ``user_text`` is all the user said, ``call_ids`` the ids of the tool calls in the history,
    ``tools`` the tools offered, each with the names of its arguments.
    """

    model: str
    stream: bool
    user_text: str
    call_ids: tuple[str, ...]
    tools: Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Answer:
    """One answer, before it is put into an API's words; ``calls`` pairs each call with its id."""

    id: str
    model: str
    text: str
    calls: tuple[tuple[str, ToolCall], ...]
    tokens: Tokens


@dataclass(frozen=True)
class Event:
    """One server-sent event; ``data`` is JSON or, for an end marker, a bare word."""

    data: Json | str
    name: str | None = None

    def encode(self) -> bytes:
        text = self.data if isinstance(self.data, str) else json.dumps(self.data)
        head = f"event: {self.name}\n" if self.name else ""
        return f"{head}data: {text}\n\n".encode()


class Dialect(Protocol):
    """One model API."""

    @property
    def name(self) -> str:
        """What the API is called in the list of what was served."""
        ...

    @property
    def path(self) -> str | tuple[str, ...]:
        """How the path of a request to it ends, or may end."""
        ...

    def asked(self, body: Json, path: str) -> Asked:
        """Read a request to ``path``; raises KeyError, TypeError or AttributeError when it is
        no such one.
        """
        ...

    def sayable(self, tokens: Tokens) -> Tokens:
        """``tokens`` as far as the API can tell them apart; the total stays the same."""
        ...

    def answer(self, answer: Answer) -> Json:
        """Return the body of an answer that is not streamed."""
        ...

    def events(self, answer: Answer) -> Iterator[Event]:
        """Yield the same answer as a stream."""
        ...

    def error(self, status: int, message: str) -> Json:
        """Return the body of an HTTP error."""
        ...


def cut(text: str, size: int = 32) -> Iterator[str]:
    """The pieces a text is streamed in."""
    for start in range(0, len(text), size):
        yield text[start : start + size]


def text_of(content: object) -> str:
    """Return the words of a message: a string, or the ``text`` of its parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [cast("Json", part) for part in cast("list[object]", content) if isinstance(part, dict)]
    return "\n".join(str(part["text"]) for part in parts if "text" in part)


def arguments_of(schema: Json | None) -> tuple[str, ...]:
    """Return the names of a tool's arguments, from its JSON schema."""
    return tuple((schema or {}).get("properties") or ())
