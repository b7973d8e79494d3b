"""mini-SWE-agent's trajectory, which it writes anew after each step; a message a line here.

A message with an answer has the provider's whole response, in OpenAI's form: ``prompt_tokens``
include cache, ``completion_tokens`` include reasoning. Also an answer without a usable action is
there, which was paid for like any other. The last message says how it ended.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, cast

from autopack.agents.litellm_errors import STATUS
from autopack.agents.told_twice import ToldTwice
from autopack.agents.usage_reading import Json, Report, Split, Usage, add_up, part, text, whole

_LARGEST = 64 * 1024 * 1024
_ENDS = frozenset({"Submitted", "LimitsExceeded", "TimeExceeded", "RepeatedFormatError"})
"""How it ends by itself."""


def _lines_of(raw: bytes) -> bytes:
    """Return the messages of a trajectory, a line each; of what is none, or is cut off, itself."""
    try:
        read: object = json.loads(raw) if raw.lstrip()[:1] == b"{" else None
    except (ValueError, RecursionError):
        return raw
    if read is None:
        return raw
    messages = cast("dict[str, Any]", read).get("messages") if isinstance(read, dict) else None
    listed = cast("Sequence[object]", messages) if isinstance(messages, list) else ()
    told = [{"trajectory_message": one, "at": at} for at, one in enumerate(listed)]
    return b"".join(json.dumps(one).encode() + b"\n" for one in told)


class MiniParser:
    """Reads the messages of a trajectory."""

    told_at_the_end: ClassVar[bool] = False
    markers = (b'"trajectory_message"',)

    @staticmethod
    def as_lines(source: Path | bytes | BinaryIO) -> bytes:
        """Return a trajectory, which is one value over many lines, with a message a line."""
        return _lines_of(whole(source, _LARGEST))

    def __init__(self, provider: str, model: str) -> None:
        self._spent = ToldTwice(provider, model)
        self._words: str | None = None
        self._exit: Json | None = None

    def read(self, event: Json) -> None:
        message = part(event, "trajectory_message")
        extra = part(message, "extra")
        if message.get("role") == "exit":
            self._exit = message
            self._spent.conclude({}, sound=True)
        if message.get("role") == "assistant":
            self._words = text(message, "content") or self._words
        response = part(extra, "response")
        if response:
            self._take(response, event.get("at"))

    def miss(self) -> None:
        self._spent.sound = False

    def usage(self) -> Usage:
        calls, exactness = self._spent.calls()
        ending = text(part(self._exit or {}, "extra"), "exit_status")
        failed = ending is not None and ending not in _ENDS
        words = text(self._exit or {}, "content")
        return Usage(
            calls,
            add_up(calls, exactness),
            exactness,
            said=None if self._exit is None or failed else words or self._words or ending,
            error=f"{ending}: {words}" if failed else None,
            http_status=STATUS.get(ending or ""),
        )

    def _take(self, response: Json, at: object) -> None:
        usage = part(response, "usage")
        report, prompt = Report(usage), Report(part(usage, "prompt_tokens_details"))
        report.needs("prompt_tokens", "completion_tokens")
        taken, read = report.tokens("prompt_tokens"), prompt.tokens("cached_tokens")
        written = report.tokens("cache_creation_input_tokens")
        details = Report(part(usage, "completion_tokens_details"))
        reasoning = details.tokens("reasoning_tokens")
        split = Split(
            input=max(taken - read - written, 0),
            cache_read=read,
            cache_write=written,
            output=report.tokens("completion_tokens"),
            reasoning=reasoning,
        )
        # A server may give two answers one id.
        key = f"{text(response, 'id') or ''}#{at}"
        sound = report.sound and prompt.sound and details.sound
        sound = sound and read + written <= taken and reasoning <= split.output
        self._spent.call(key, text(response, "model"), split, sound=sound)
