"""What the scripted model says: the values of a script and how one is loaded.

A script holds conversations, a conversation holds turns, a turn is one answer of the model::

    mode: ok                        # or 400 401 429 500 529 hang slow, for every request
    conversations:
      - when: ordinal               # part of what the user said; left out, it fits every prompt
        times: 1                    # how many conversations take this one; left out, all
        turns:
          - text: I look first.
            actions: [{read: calc.py}]
          - actions:                # written for any agent ...
              - edit: {path: calc.py, old: a - b, new: a + b}
              - run: pytest -q
            usage: {input: 900, cache_read: 100, output: 40, reasoning: 5}
          - tools: [{name: Bash, arguments: {command: git status}}]   # ... or for one
            fail: {mode: "429", times: 2}                               # at first
          - text: Done.

``turns`` at the top stands for one conversation that fits every prompt. A conversation is over
with the first turn that calls no tool; a program that asks on is told so.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from autopack.model.errors import BadInput


class Mode(StrEnum):
    """How requests are answered: from the script, with an HTTP error, late or never."""

    OK = "ok"
    BAD_REQUEST = "400"
    UNAUTHORIZED = "401"
    RATE_LIMITED = "429"
    SERVER_ERROR = "500"
    OVERLOADED = "529"
    HANG = "hang"
    """Take the request and say nothing until the client goes away."""
    SLOW = "slow"
    """Answer from the script, waiting ``delay`` seconds before each event."""

    @property
    def status(self) -> int:
        """The HTTP status an answer in this mode carries."""
        return int(self) if self.isdigit() else 200


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tokens(_Value):
    """What one answer is said to cost: ``input`` without cache, ``output`` with reasoning."""

    input: int = Field(default=0, ge=0)
    cache_read: int = Field(default=0, ge=0)
    cache_write: int = Field(default=0, ge=0)
    output: int = Field(default=0, ge=0)
    reasoning: int = Field(default=0, ge=0)

    @property
    def prompt(self) -> int:
        return self.input + self.cache_read + self.cache_write

    @property
    def total(self) -> int:
        return self.prompt + self.output


class ToolCall(_Value):
    """A call of one of the asking agent's own tools."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Edit(_Value):
    path: str
    old: str
    new: str


class Write(_Value):
    path: str
    content: str


class Action(_Value):
    """One thing to do, in no agent's words; exactly one field is set."""

    read: str | None = None
    edit: Edit | None = None
    write: Write | None = None
    run: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("an action is exactly one of read, edit, write, run")
        return self


class Failure(_Value):
    """A turn that is answered by ``mode`` first: ``times`` times, or always when None."""

    mode: Mode
    times: int | None = Field(default=None, ge=1)

    @field_validator("mode", mode="before")
    @classmethod
    def _number_or_name(cls, value: object) -> object:
        return str(value) if isinstance(value, int) else value


class Turn(_Value):
    """One answer: words, then tool calls. Without ``usage`` it costs a token per four characters
    of the request and of the answer."""

    text: str = ""
    actions: tuple[Action, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    usage: Tokens | None = None
    fail: Failure | None = None


class Conversation(_Value):
    """The turns of one conversation, and which conversations take them."""

    turns: tuple[Turn, ...]
    when: str = ""
    times: int | None = Field(default=None, ge=1)


class Script(_Value):
    """Everything the server will say."""

    conversations: tuple[Conversation, ...] = ()
    mode: Mode = Mode.OK
    delay: float = Field(default=0.2, ge=0)
    aside: Turn = Turn(text="A title")
    """The answer to a request that offers no tools: agents ask for titles and summaries."""
    afterwards: Turn = Turn(text="There is nothing more to do.")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        values = {str(key): value for key, value in cast("Mapping[object, object]", data).items()}
        if "turns" in values:
            if "conversations" in values:
                raise ValueError("give turns or conversations, not both")
            values["conversations"] = ({"turns": values.pop("turns")},)
        if isinstance(values.get("mode"), int):
            values["mode"] = str(values["mode"])
        return values


def load_script(source: Path | Mapping[str, object] | Script) -> Script:
    """Return a script from a YAML or JSON file, or from plain values; raises BadInput when it is
    wrong.
    """
    if isinstance(source, Script):
        return source
    where = str(source) if isinstance(source, Path) else "the script"
    try:
        data = (
            yaml.safe_load(source.read_text(encoding="utf-8"))
            if isinstance(source, Path)
            else dict(source)
        )
        return Script.model_validate(data)
    except OSError as error:
        raise BadInput(f"{where} cannot be read: {error.strerror}", field="script") from error
    except yaml.YAMLError as error:
        raise BadInput(f"{where} is not YAML: {error}", field="script") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "script"
        raise BadInput(f"{where}: {place}: {first['msg']}", field=place) from error
