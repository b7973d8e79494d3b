"""opencode's ``run --format json``: exact figures with every ``step_finish``.

``input`` excludes cache; ``output`` excludes reasoning, which is added here. Only the main session
is on stdout; the steps of the agents that it starts are in its database, which
``autopack.builders.opencode`` hands over as events of the same shape.
"""

from __future__ import annotations

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


class OpencodeParser:
    """Reads JSON events."""

    markers = (b'"step_start"', b'"step_finish"', b'"text"', b'"error"')

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model
        self._steps: dict[str | int, ModelCall] = {}
        self._said: str | None = None
        self._error: str | None = None
        self._status: int | None = None
        self._seen = False
        self._ended = False

    def read(self, event: Json) -> None:
        inner = part(event, "part")
        match event.get("type"):
            case "step_start":
                self._seen, self._ended = True, False
            case "step_finish":
                step = text(inner, "id") or len(self._steps)
                from_database = "model" in event
                if from_database or step not in self._steps:
                    self._steps[step] = self._call(inner, event)
                self._seen = True
                if not from_database:
                    self._ended = inner.get("reason") != "tool-calls"
            case "text":
                self._said = text(inner, "text") or self._said
            case "error":
                error = part(event, "error")
                data = part(error, "data")
                status = data.get("statusCode")
                self._error = text(data, "message") or text(error, "name") or "an error"
                self._status = status if isinstance(status, int) else None
                # A request that the provider refused cost nothing.
                self._seen, self._ended = True, self._status is not None
            case _:
                pass

    def usage(self) -> Usage:
        calls = list(self._steps.values())
        exactness = Exactness.EXACT if self._ended else Exactness.PARTIAL
        if not self._seen:
            exactness = Exactness.UNKNOWN
        return Usage(
            calls,
            add_up(calls, exactness),
            exactness,
            said=None if self._error else self._said,
            error=self._error,
            http_status=self._status,
        )

    def _call(self, step: Json, event: Json) -> ModelCall:
        spent = part(step, "tokens")
        provider = text(event, "provider")
        cache, reasoning = part(spent, "cache"), tokens(spent, "reasoning")
        return split_call(
            self._provider if provider in (None, CUSTOM_PROVIDER) else provider,
            text(event, "model") or self._model,
            input=tokens(spent, "input"),
            cache_read=tokens(cache, "read"),
            cache_write=tokens(cache, "write"),
            output=tokens(spent, "output") + reasoning,
            reasoning=reasoning,
            response_id=text(step, "id"),
        )
