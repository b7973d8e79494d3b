"""pi: its session file (``message`` entries) or ``--mode json`` (``message_end`` events).

Both carry each answer with its exact usage as it ends: ``input`` excludes cache, ``output``
includes reasoning, which is not told apart. An answer that the provider refused is there too,
with an error and no tokens.
"""

from __future__ import annotations

from typing import ClassVar, cast

from autopack.agents.endpoint import CUSTOM_PROVIDER
from autopack.agents.usage_reading import (
    NOTHING,
    Json,
    Report,
    Split,
    Usage,
    add_up,
    exactness_of,
    http_status,
    model_call,
    part,
    text,
)


class _Answer:
    """One call; of an answer that is told more than once the largest figures count."""

    def __init__(self, provider: str, model: str, response_id: str | None) -> None:
        self.provider, self.model, self.response_id = provider, model, response_id
        self.split = NOTHING
        self.sound = True


class PiParser:
    """Reads entries of either kind."""

    told_at_the_end: ClassVar[bool] = False
    markers = (b'"message_end"', b'"type":"message"')

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model
        self._before: frozenset[str] = frozenset()
        self._forget()

    def begin(self) -> None:
        """Take all that was read so far for calls of builds before this one."""
        self._before = frozenset(self._entries)
        self._forget()

    def _forget(self) -> None:
        self._entries: set[str] = set()
        self._answers: dict[object, _Answer] = {}
        self._last: Json = {}
        self._sound = True

    def read(self, event: Json) -> None:
        if event.get("type") not in ("message", "message_end"):
            return
        entry = text(event, "id")
        if entry is not None and entry in self._before:
            return
        self._entries |= {entry} if entry is not None else set()
        message = part(event, "message")
        self._last = message
        if message.get("role") == "assistant":
            self._take(message)

    def miss(self) -> None:
        self._sound = False

    def usage(self) -> Usage:
        calls = [
            model_call(
                one.provider,
                one.model,
                one.split,
                response_id=one.response_id,
                sound=one.sound,
            )
            for one in self._answers.values()
            if one.split.total
        ]
        reason = self._last.get("stopReason")
        error = (text(self._last, "errorMessage") or "an error") if reason == "error" else None
        told = reason in ("stop", "length", "error") and self._sound
        exactness = exactness_of(calls, all_told=told)
        return Usage(
            calls,
            add_up(calls, exactness),
            exactness,
            said=None if error else _words(self._last),
            error=error,
            http_status=_status(self._last),
        )

    def _take(self, message: Json) -> None:
        report = Report(part(message, "usage"))
        if message.get("stopReason") not in ("error", "aborted"):
            report.needs("input", "output")
        elif _status(message) is None:
            self._sound = False  # what broke off may have been paid for
        split = Split(
            report.tokens("input"),
            report.tokens("cacheRead"),
            report.tokens("cacheWrite"),
            report.tokens("output"),
        )
        self._sound = self._sound and report.sound
        provider, response_id = text(message, "provider"), text(message, "responseId")
        at = message.get("timestamp")
        # The same answer may be read from both places.
        key = (response_id, at if isinstance(at, str | int | float) else None)
        if key == (None, None):
            key = (None, str(len(self._answers)))
        known = self._answers.setdefault(
            key,
            _Answer(
                self._provider if provider in (None, CUSTOM_PROVIDER) else provider or "",
                text(message, "model") or self._model,
                response_id,
            ),
        )
        known.split |= split
        known.sound = known.sound and report.sound


def _status(message: Json) -> int | None:
    """Return the provider's answer that an error begins with; it cost nothing."""
    word = (text(message, "errorMessage") or "").partition(" ")[0]
    is_one = message.get("stopReason") == "error" and word.isascii() and word.isdigit()
    return http_status(int(word)) if is_one and len(word) == 3 else None


def _words(message: Json) -> str | None:
    content: object = message.get("content")
    if message.get("role") != "assistant" or not isinstance(content, list):
        return None
    blocks = [cast("Json", one) for one in cast("list[object]", content) if isinstance(one, dict)]
    return "\n".join(str(block["text"]) for block in blocks if "text" in block) or None
