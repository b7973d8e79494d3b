"""Claude Code's ``--output-format stream-json``.

With ``--include-partial-messages`` every call opens with ``message_start`` (what went in, and a
placeholder of one output token) and closes with ``message_delta`` (what came out), so that the
spend of a killed run is known. The ``result`` at the end sums up per model in ``modelUsage``,
with the calls that the stream does not show (titles, summaries, agents of its own); its
``usage`` leaves those out and is not read. All input figures exclude cache.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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

_FIELDS = ("input", "cache_read", "cache_write", "output")
_IN_MESSAGES = dict(
    zip(
        _FIELDS,
        ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens"),
        strict=True,
    )
)
_IN_RESULT = dict(
    zip(
        _FIELDS,
        ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens", "outputTokens"),
        strict=True,
    )
)


@dataclass
class _Message:
    """One call as the stream shows it; ``closed`` once its output is known."""

    id: str | None
    model: str
    counts: dict[str, int] = field(default_factory=dict[str, int])
    closed: bool = False

    def take(self, usage: Json) -> None:
        for name, key in _IN_MESSAGES.items():
            if key in usage:
                self.counts[name] = tokens(usage, key)


class ClaudeCodeParser:
    """Reads stream-json events."""

    markers = (b'"usage"', b'"subtype":"init"')

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider or "anthropic"
        self._model = model
        self._messages: list[_Message] = []
        self._open: dict[str | None, _Message] = {}
        self._result: Json | None = None
        self._seen = False

    def read(self, event: Json) -> None:
        kind, parent = event.get("type"), text(event, "parent_tool_use_id")
        if kind == "stream_event":
            self._stream(part(event, "event"), parent)
        elif kind == "assistant":
            self._whole(part(event, "message"), parent)
        elif kind == "result":
            self._result = event
        self._seen = self._seen or kind in ("stream_event", "assistant", "result", "system")

    def usage(self) -> Usage:
        seen = [self._call(message) for message in self._messages]
        if self._result is None:
            exactness = Exactness.PARTIAL if self._seen else Exactness.UNKNOWN
            return Usage(seen, add_up(seen, exactness), exactness)
        calls = self._reconciled(seen, part(self._result, "modelUsage"))
        subtype = text(self._result, "subtype") or ""
        # At a limit of turns or money it has worked, and says so as an error.
        failed = self._result.get("is_error") is True and not subtype.startswith("error_max_")
        words = text(self._result, "result") or subtype or None
        status = self._result.get("api_error_status")
        return Usage(
            calls,
            add_up(calls, Exactness.EXACT),
            Exactness.EXACT,
            said=None if failed else words,
            error=(words or "an error without words") if failed else None,
            http_status=status if isinstance(status, int) else None,
        )

    def _stream(self, event: Json, parent: str | None) -> None:
        if event.get("type") == "message_start":
            message = part(event, "message")
            self._open[parent] = self._add(message)
        elif event.get("type") == "message_delta" and parent in self._open:
            self._open[parent].take(part(event, "usage"))
            self._open[parent].closed = True

    def _whole(self, message: Json, parent: str | None) -> None:
        """An ``assistant`` event: new only where no ``message_start`` announced it."""
        latest = self._open.get(parent)
        if latest is None or latest.id != text(message, "id"):
            self._open[parent] = self._add(message)

    def _add(self, message: Json) -> _Message:
        added = _Message(id=text(message, "id"), model=text(message, "model") or self._model)
        added.take(part(message, "usage"))
        self._messages.append(added)
        return added

    def _call(self, message: _Message) -> ModelCall:
        return self._model_call(
            message.model,
            message.counts,
            message.id,
            Exactness.EXACT if message.closed else Exactness.PARTIAL,
        )

    def _model_call(
        self,
        model: str,
        counts: dict[str, int],
        response_id: str | None = None,
        exactness: Exactness = Exactness.EXACT,
    ) -> ModelCall:
        return split_call(
            self._provider,
            model,
            input=counts.get("input", 0),
            cache_read=counts.get("cache_read", 0),
            cache_write=counts.get("cache_write", 0),
            output=counts.get("output", 0),
            response_id=response_id,
            exactness=exactness,
        )

    def _reconciled(self, seen: list[ModelCall], reported: Json) -> list[ModelCall]:
        """The calls seen from beginning to end and, per model, one for what goes beyond them.

        Where the two cannot be the same thing (an unknown model, more seen than reported), the
        report alone is right.
        """
        sums = {
            model: {name: tokens(part(reported, model), key) for name, key in _IN_RESULT.items()}
            for model in reported
        }
        rest = {_plain(model): dict(counts) for model, counts in sums.items()}
        whole = [call for call in seen if call.exactness is Exactness.EXACT]
        for call in whole:
            counts = rest.setdefault(_plain(call.model), dict.fromkeys(_FIELDS, 0))
            for name in _FIELDS:
                counts[name] -= getattr(call, name) or 0
        if any(count < 0 for counts in rest.values() for count in counts.values()):
            return [self._model_call(_plain(model), counts) for model, counts in sums.items()]
        hidden = {model: counts for model, counts in rest.items() if any(counts.values())}
        return whole + [self._model_call(model, counts) for model, counts in hidden.items()]


def _plain(model: str) -> str:
    """The model's name without the context size that reports add to it, as in ``name[1m]``."""
    return model.partition("[")[0]
