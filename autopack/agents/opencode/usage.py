"""opencode's ``run --format json``: exact figures with every ``step_finish``.

``input`` excludes cache; ``output`` excludes reasoning, which is added here. Only the main session
is on stdout; the steps of the agents that it starts are in its database, which
``autopack.agents.opencode.agent`` hands over as events of the same shape. A step is told when its
tools have ended, too: a build that is cut off inside one has an answer that nobody counted.
"""

from __future__ import annotations

from typing import ClassVar

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
    retry_after,
    text,
)
from autopack.model.calls import (
    ModelCall,
)


class _Step:
    """One call; of a step that is told more than once the largest figures count."""

    def __init__(self) -> None:
        self.split = NOTHING
        self.sound = True
        self.provider: str | None = None
        self.model: str | None = None


class OpencodeParser:
    """Reads JSON events."""

    told_at_the_end: ClassVar[bool] = False
    markers = (b'"step_start"', b'"step_finish"', b'"text"', b'"error"', b'"task"')

    def __init__(self, provider: str, model: str) -> None:
        self._provider = provider
        self._model = model
        self._before: frozenset[str | int] = frozenset()
        self._forget()

    def begin(self) -> None:
        """Take all that was read so far for calls of builds before this one."""
        self._before = frozenset(name for name in self._steps if isinstance(name, str))
        self._forget()

    def _forget(self) -> None:
        self._steps: dict[str | int, _Step] = {}
        self._said: str | None = None
        self._error: str | None = None
        self._status: int | None = None
        self._retry_after: float | None = None
        self._seen = False
        self._ended = False
        self._sound = True
        self._has_agents = False
        self._has_database = False

    def read(self, event: Json) -> None:
        inner = part(event, "part")
        match event.get("type"):
            case "step_start":
                self._seen, self._ended = True, False
            case "step_finish":
                self._finish(inner, event)
            case "tool_use" if inner.get("tool") == "task":
                self._has_agents = True
            case "text":
                self._said = text(inner, "text") or self._said
            case "error":
                error = part(event, "error")
                data = part(error, "data")
                self._error = text(data, "message") or text(error, "name") or "an error"
                self._status = http_status(data.get("statusCode"))
                self._retry_after = retry_after(part(data, "responseHeaders"))
                # A request that the provider refused cost nothing.
                self._seen, self._ended = True, self._status is not None
            case _:
                pass

    def miss(self) -> None:
        self._sound = False

    def usage(self) -> Usage:
        calls = [self._call(name, step) for name, step in self._steps.items()]
        # The agents that it starts tell of their calls in its database only.
        whole = self._has_database or not self._has_agents
        told = self._seen and self._ended and self._sound and whole
        exactness = exactness_of(calls, all_told=told)
        return Usage(
            calls,
            add_up(calls, exactness),
            exactness,
            said=None if self._error else self._said,
            error=self._error,
            http_status=self._status,
            retry_after=self._retry_after,
        )

    def _finish(self, inner: Json, event: Json) -> None:
        from_database = "model" in event
        self._has_database = self._has_database or from_database
        if text(inner, "id") in self._before:
            return
        step = self._steps.setdefault(text(inner, "id") or len(self._steps), _Step())
        split, sound = _split(part(inner, "tokens"))
        step.split |= split
        step.sound = step.sound and sound
        step.provider = text(event, "provider") or step.provider
        step.model = text(event, "model") or step.model
        self._sound = self._sound and sound
        self._seen = True
        if not from_database:
            self._ended = inner.get("reason") != "tool-calls"

    def _call(self, name: str | int, step: _Step) -> ModelCall:
        own = step.provider in (None, CUSTOM_PROVIDER)
        return model_call(
            self._provider if own else step.provider or "",
            step.model or self._model,
            step.split,
            response_id=name if isinstance(name, str) else None,
            sound=step.sound,
        )


def _split(spent: Json) -> tuple[Split, bool]:
    report, cache = Report(spent), Report(part(spent, "cache"))
    report.needs("input", "output")
    reasoning = report.tokens("reasoning")
    split = Split(
        report.tokens("input"),
        cache.tokens("read"),
        cache.tokens("write"),
        report.tokens("output") + reasoning,
        reasoning,
    )
    return split, report.sound and cache.sound
