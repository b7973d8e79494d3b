"""The neutral format: one JSON object a line for each model call, from any program or wrapper.

```json
{"provider": "openai", "model": "gpt-5.1", "input": 1200, "cache_read": 500, "output": 80}
{"model": "gpt-5.1", "input": 90, "output": 8, "reasoning": 2, "id": "resp_2"}
{"model": "gpt-5.1", "total": 1780}
{"error": "not logged in", "status": 401, "retry_after": 30}
{"calls": 3}
```

| field | what it is |
|---|---|
| `model` | the model that answered; a line without it is not a call |
| `provider` | who is paid; unless given, as the model's name tells |
| `input` | input tokens, without those read from or written to the cache |
| `cache_read`, `cache_write` | input tokens read from and written to the cache; 0 unless given |
| `output` | output tokens, reasoning included |
| `reasoning` | the part of `output` that is reasoning; unknown unless given |
| `total` | all tokens, in place of the figures above where the split is not known; else their sum |
| `id` | the provider's id of the answer |

Write a line when its call has ended, so that limits hold while the program works and the spend of
a killed build is known. A line with `error` says that the build failed, in words, with the
provider's HTTP `status` and the seconds to wait (`retry_after`) where they are known; a call after
it takes it back. `{"calls": N}` at the end says how many calls there were. Without it the figures
are exact when the program ended by itself. Other lines are ignored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from autopack.agents.model_providers import provider_of
from autopack.agents.usage_reading import (
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
from autopack.model.calls import Exactness, ModelCall

_FIGURES = ("input", "cache_read", "cache_write", "output", "reasoning", "total")


def _number(value: object) -> int | float | None:
    """Return a number, also where it is told as text; None for anything else."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _parts(report: Report) -> int:
    """Return what is known of a call's split beside its total."""
    output = max(report.tokens("output"), report.tokens("reasoning"))
    return report.tokens("cache_read") + report.tokens("cache_write") + output


class NeutralParser:
    """Reads lines of the neutral format."""

    told_at_the_end: ClassVar[bool] = False
    markers = (b'"input"', b'"output"', b'"total"', b'"error"', b'"calls"')

    def __init__(self, provider: str, model: str) -> None:
        self._model = model
        self._provider = provider
        self._calls: list[ModelCall] = []
        self._error: Json | None = None
        self._counted: int | None = None
        self._missed = False

    def read(self, event: Json) -> None:
        if text(event, "model") and any(event.get(name) is not None for name in _FIGURES):
            self._calls.append(self._call(event))
            self._error = None
        elif text(event, "error"):
            self._error = event
        elif words := text(part(event, "error"), "message"):
            inner = part(event, "error")  # as providers answer
            self._error = {"status": inner.get("code"), **event, "error": words}
        elif (counted := _number(event.get("calls"))) is not None:
            report = Report({"calls": counted})
            self._counted = report.tokens("calls")
            self._missed = self._missed or not report.sound

    def miss(self) -> None:
        self._missed = True

    def usage(self) -> Usage:
        sound = all(call.exactness is Exactness.EXACT for call in self._calls)
        told = self._counted == len(self._calls) if self._counted is not None else self._calls != []
        exactness = exactness_of(self._calls, all_told=told and sound and not self._missed)
        usage = Usage(tuple(self._calls), add_up(self._calls, exactness), exactness)
        if self._error is None:
            return usage
        return replace(
            usage,
            error=text(self._error, "error"),
            http_status=http_status(self._error.get("status")),
            retry_after=retry_after({"retry-after": self._error.get("retry_after")}),
        )

    def _call(self, event: Json) -> ModelCall:
        model, identity = text(event, "model") or self._model, text(event, "id")
        provider = text(event, "provider") or self._own_provider(model)
        report = Report(event)
        if event.get("total") is not None and event.get("input") is None:
            total, parts = report.tokens("total"), _parts(report)
            told = Exactness.EXACT if report.sound and parts <= total else Exactness.PARTIAL
            most = max(total, parts)  # a part is no more than the whole
            return ModelCall(provider, model, most, response_id=identity, exactness=told)
        report.needs("input")
        report.needs("output")
        reasoning = None if event.get("reasoning") is None else report.tokens("reasoning")
        split = Split(
            report.tokens("input"),
            report.tokens("cache_read"),
            report.tokens("cache_write"),
            report.tokens("output"),
            reasoning,
        )
        total = split.total if event.get("total") is None else report.tokens("total")
        if total != split.total:  # one of both is not the whole
            most = max(total, split.total)
            return ModelCall(
                provider, model, most, response_id=identity, exactness=Exactness.PARTIAL
            )
        sound = report.sound and (reasoning or 0) <= split.output
        return model_call(provider, model, split, response_id=identity, sound=sound)

    def _own_provider(self, model: str) -> str:
        """Return the provider that the model's name tells, else that of the run's own model."""
        told = provider_of(model)
        return self._provider if self._provider and model == self._model else told
