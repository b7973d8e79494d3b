"""Qwen Code's ``--output-format stream-json``.

Each answer comes as one or more ``assistant`` events, the last of which has its tokens; the
``result`` sums them up. ``input_tokens`` include what came from the cache, reasoning is not told
apart. An error of the provider is a success whose words begin with ``[API Error: ``.
"""

from __future__ import annotations

import re
from typing import ClassVar

from autopack.agents.told_twice import ToldTwice
from autopack.agents.usage_reading import (
    Json,
    Report,
    Split,
    Usage,
    add_up,
    http_status,
    part,
    text,
)

_API_ERROR = re.compile(r"\[API Error: (?:(\d{3})\b)?")


class QwenParser:
    """Reads stream-json events."""

    told_at_the_end: ClassVar[bool] = False
    markers = (b'"usage"', b'"type":"result"')

    def __init__(self, provider: str, model: str) -> None:
        self._spent = ToldTwice(provider, model)
        self._result: Json | None = None

    def read(self, event: Json) -> None:
        if event.get("type") == "assistant":
            message = part(event, "message")
            split, sound = _split(part(message, "usage"))
            key = text(message, "id") or f"{len(self._spent.told)}"
            self._spent.call(key, text(message, "model"), split, sound=sound)
        elif event.get("type") == "result":
            self._result = event
            split, sound = _split(part(event, "usage"))
            named = [one.model for one in self._spent.told.values() if one.split.total]
            # The sum names no model.
            model = named[-1] if named else self._spent.model
            self._spent.conclude({model: split} if len(set(named)) < 2 else {}, sound=sound)

    def miss(self) -> None:
        self._spent.sound = False

    def usage(self) -> Usage:
        calls, exactness = self._spent.calls()
        if self._result is None:
            return Usage(calls, add_up(calls, exactness), exactness)
        words = text(self._result, "result") or text(part(self._result, "error"), "message")
        refused = _API_ERROR.match(words or "")
        failed = self._result.get("is_error") is True or refused is not None
        status = refused[1] if refused else None
        return Usage(
            calls,
            add_up(calls, exactness),
            exactness,
            said=None if failed else words,
            error=(words or "an error without words") if failed else None,
            http_status=http_status(int(status)) if status else None,
        )


def _split(usage: Json) -> tuple[Split, bool]:
    report = Report(usage)
    report.needs("input_tokens", "output_tokens")
    taken, cached = report.tokens("input_tokens"), report.tokens("cache_read_input_tokens")
    split = Split(max(taken - cached, 0), cached, 0, report.tokens("output_tokens"))
    return split, report.sound and cached <= taken
