"""pi: its session file (``message`` entries) or ``--mode json`` (``message_end`` events).

Both carry each answer with its exact usage as it ends: ``input`` excludes cache, ``output``
includes reasoning, which is not told apart. An answer that the provider refused is there too,
with an error and no tokens.
"""

from __future__ import annotations

from typing import cast

from autopack.builders.endpoint import CUSTOM_PROVIDER
from autopack.builders.protocol import Exactness, ModelCall
from autopack.builders.usage.reading import (
    Json,
    Usage,
    add_up,
    part,
    split_call,
    text,
    tokens,
)


class PiParser:
    """Reads entries of either kind."""

    markers = (b'"message_end"', b'"type":"message"', b'"type":"session"')

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model
        self._calls: dict[object, ModelCall] = {}
        self._last: Json = {}
        self._seen = False

    def read(self, event: Json) -> None:
        self._seen = self._seen or event.get("type") in ("session", "message", "message_end")
        if event.get("type") not in ("message", "message_end"):
            return
        message = part(event, "message")
        self._last = message
        if message.get("role") != "assistant":
            return
        call = self._call(message)
        if call.total:
            # The same answer may be read from both places.
            self._calls.setdefault((call.response_id, message.get("timestamp")), call)

    def usage(self) -> Usage:
        calls = list(self._calls.values())
        reason = self._last.get("stopReason")
        exactness = Exactness.PARTIAL if self._seen else Exactness.UNKNOWN
        if reason in ("stop", "length", "error"):
            exactness = Exactness.EXACT
        error = (text(self._last, "errorMessage") or "an error") if reason == "error" else None
        status = (error or "").partition(" ")[0]
        return Usage(
            calls,
            add_up(calls, exactness),
            exactness,
            said=None if error else _words(self._last),
            error=error,
            http_status=int(status) if len(status) == 3 and status.isdigit() else None,
        )

    def _call(self, message: Json) -> ModelCall:
        usage = part(message, "usage")
        provider = text(message, "provider")
        return split_call(
            self._provider if provider in (None, CUSTOM_PROVIDER) else provider,
            text(message, "model") or self._model,
            input=tokens(usage, "input"),
            cache_read=tokens(usage, "cacheRead"),
            cache_write=tokens(usage, "cacheWrite"),
            output=tokens(usage, "output"),
            response_id=text(message, "responseId"),
        )


def _words(message: Json) -> str | None:
    content: object = message.get("content")
    if message.get("role") != "assistant" or not isinstance(content, list):
        return None
    blocks = [cast("Json", one) for one in cast("list[object]", content) if isinstance(one, dict)]
    return "\n".join(str(block["text"]) for block in blocks if "text" in block) or None
