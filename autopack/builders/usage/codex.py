"""codex: ``exec --json`` on stdout and the rollout files under ``$CODEX_HOME/sessions``.

stdout has one sum at the very end (``turn.completed``) and none after a failure. The rollout file
has a ``token_usage_record`` for every call as it ends, with its response id, and every agent that
codex starts has a rollout of its own. ``input_tokens`` include what was read from and written to
the cache; ``output_tokens`` include reasoning.
"""

from __future__ import annotations

import json
import re

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

_COUNTS = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
)


class CodexParser:
    """Reads events of both kinds, in any order of files."""

    markers = (
        b'"token_usage_record"',
        b'"turn_context"',
        b'"turn.',
        b'"thread.started"',
        b'"agent_message"',
        b'"error"',
        b'"task_started"',
        b'"task_complete"',
        b'"turn_aborted"',
    )

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider or "openai"
        self._model = model
        self._models: dict[str | None, str] = {}
        self._records: dict[tuple[object, ...], Json] = {}
        self._completed: list[Json] = []
        self._thread: str | None = None
        self._tasks_open = 0
        self._ended = False
        self._said: str | None = None
        self._error: str | None = None

    def read(self, event: Json) -> None:
        payload = part(event, "payload")
        match event.get("type"):
            case "token_usage_record":
                # A forked agent's rollout repeats the records of the one it came from.
                after = tokens(part(payload, "thread_token_usage"), "total_tokens")
                key = (payload.get("thread_id"), payload.get("response_id"), after)
                self._records.setdefault(key, payload)
            case "thread.started":
                self._thread = text(event, "thread_id")
            case "turn_context":
                self._models[text(payload, "turn_id")] = text(payload, "model") or self._model
            case "event_msg" if payload.get("type") == "task_started":
                self._tasks_open += 1
            case "event_msg" if payload.get("type") == "task_complete":
                self._tasks_open -= 1
                self._ended = True
            case "turn.completed":
                self._completed.append(part(event, "usage"))
                self._ended = True
            case "turn.failed":
                self._error = text(part(event, "error"), "message") or self._error
            case "error":
                self._error = text(event, "message") or self._error
            case "item.completed" if part(event, "item").get("type") == "agent_message":
                self._said = text(part(event, "item"), "text")
            case _:
                pass

    def usage(self) -> Usage:
        calls = [
            self._call(part(record, "usage"), text(record, "turn_id"), text(record, "response_id"))
            for record in self._records.values()
        ]
        calls += [self._call(usage) for usage in self._beyond_records()]
        message, status = _cause(self._error)
        exactness = self._exactness(calls)
        return Usage(
            calls,
            add_up(calls, exactness),
            exactness,
            said=None if self._completed == [] and message else self._said,
            error=None if self._completed else message,
            http_status=None if self._completed else status,
        )

    def _beyond_records(self) -> list[Json]:
        """What stdout reports beyond the records of its thread: all of it where there are none."""
        recorded = [
            part(record, "usage")
            for record in self._records.values()
            if text(record, "thread_id") == self._thread
        ]
        rest = {
            name: sum(tokens(usage, name) for usage in self._completed)
            - sum(tokens(usage, name) for usage in recorded)
            for name in _COUNTS
        }
        hidden = any(rest.values()) and all(count >= 0 for count in rest.values())
        return [rest] if hidden else []

    def _exactness(self, calls: list[ModelCall]) -> Exactness:
        if self._ended and self._tasks_open <= 0:
            return Exactness.EXACT
        return Exactness.PARTIAL if calls or self._tasks_open else Exactness.UNKNOWN

    def _call(
        self, usage: Json, turn_id: str | None = None, response_id: str | None = None
    ) -> ModelCall:
        cached = tokens(usage, "cached_input_tokens")
        written = tokens(usage, "cache_write_input_tokens")
        return split_call(
            self._provider,
            self._models.get(turn_id) or self._model,
            input=max(0, tokens(usage, "input_tokens") - cached - written),
            cache_read=cached,
            cache_write=written,
            output=tokens(usage, "output_tokens"),
            reasoning=tokens(usage, "reasoning_output_tokens"),
            response_id=response_id,
        )


def _cause(message: str | None) -> tuple[str | None, int | None]:
    """An error's words and HTTP status, from a provider's JSON or codex's own sentence."""
    if message is None:
        return None, None
    try:
        error = json.loads(message)["error"]
        words, kind, code = str(error["message"]), error.get("type"), error.get("code")
    except (ValueError, KeyError, TypeError, AttributeError):
        found = re.search(r"\bstatus:? (\d{3})\b", message)
        if found is None and "high demand" in message:
            return message, 500  # what codex makes of any answer from 500 on
        return message, int(found[1]) if found else None
    if not isinstance(code, int):
        code = 400 if kind == "invalid_request_error" else None
    return words, code
