"""The Gemini CLI: ``--output-format stream-json`` or ``json``, and the session files of its home.

A session file has each answer with its tokens as it ends: ``input`` includes what came from the
cache, ``output`` excludes ``thoughts``. Stdout has the words, and at the end the sums per model,
with calls that no session has; thoughts are there what the total has beyond input and output. With
``json`` it is one object, whose sums have the figures of a session's answer.
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

_CODE = re.compile(r'"code":\s*(\d{3})')


class GeminiParser:
    """Reads events of either kind."""

    told_at_the_end: ClassVar[bool] = False
    markers = (
        b'"tokens"',
        b'"stats"',
        b'"error"',
        b'"type":"result"',
        b'"type":"message"',
        b'"type":"tool_use"',
    )

    def __init__(self, provider: str, model: str) -> None:
        self._spent = ToldTwice(provider or "google", model)
        self._words = ""
        self._error: str | None = None
        self._status: int | None = None

    def read(self, event: Json) -> None:
        kind = event.get("type")
        if kind == "gemini":
            self._take(event)
        elif kind == "message" and event.get("role") == "assistant":
            self._words += text(event, "content") or ""
        elif kind == "tool_use":
            self._words = ""
        elif kind == "result":
            self._conclude(event)
        elif kind is None and ("stats" in event or "error" in event):
            self._report(event)

    def miss(self) -> None:
        self._spent.sound = False

    def usage(self) -> Usage:
        calls, exactness = self._spent.calls()
        status = _CODE.search(self._error or "")
        return Usage(
            calls,
            add_up(calls, exactness),
            exactness,
            said=None if self._error else self._words or None,
            error=self._error,
            http_status=http_status(int(status[1])) if status else self._status,
        )

    def _take(self, message: Json) -> None:
        report = Report(part(message, "tokens"))
        report.needs("input", "output")
        split, sound = _split(report, taken="input", given="output")
        key = text(message, "id") or f"{len(self._spent.told)}"
        self._spent.call(key, text(message, "model"), split, sound=sound)

    def _report(self, event: Json) -> None:
        """Take in the one object of ``--output-format json``."""
        error, models = part(event, "error"), part(part(event, "stats"), "models")
        if error:
            self._error = text(error, "message") or "an error without words"
            self._status = http_status(error.get("code"))
        if "stats" not in event:
            return
        sums, sound = dict[str, Split](), True
        for model in models:
            report = Report(part(part(models, model), "tokens"))
            report.needs("prompt")
            sums[model], can_be = _split(report, taken="prompt", given="candidates")
            sound = sound and can_be
        self._spent.conclude(sums, sound=sound)
        self._words = text(event, "response") or self._words

    def _conclude(self, event: Json) -> None:
        models, sums, sound = part(part(event, "stats"), "models"), dict[str, Split](), True
        for model in models:
            report = Report(part(models, model))
            report.needs("total_tokens")
            taken, cached = report.tokens("input_tokens"), report.tokens("cached")
            total = report.tokens("total_tokens")
            sums[model] = Split(max(taken - cached, 0), cached, 0, max(total - taken, 0))
            sound = sound and report.sound and cached <= taken <= total
        self._spent.conclude(sums, sound=sound)
        if event.get("status") == "error":
            self._error = text(part(event, "error"), "message") or "an error without words"


def _split(report: Report, *, taken: str, given: str) -> tuple[Split, bool]:
    """Return the figures, and whether all of them can be true."""
    cached, thoughts = report.tokens("cached"), report.tokens("thoughts")
    taken_in = report.tokens(taken)
    split = Split(
        input=max(taken_in - cached, 0) + report.tokens("tool"),
        cache_read=cached,
        output=report.tokens(given) + thoughts,
        reasoning=thoughts,
    )
    return split, report.sound and cached <= taken_in
