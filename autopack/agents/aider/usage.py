"""aider's ``--analytics-log``: an event a line, and the errors that it prints among other words.

An answer is told with all that went in, what came from a cache included, and all that came out:
of a call its total is known alone. The model's name is told only where aider knows it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import BinaryIO, ClassVar

from autopack.agents.litellm_errors import STATUS
from autopack.agents.usage_reading import (
    Json,
    Report,
    Usage,
    add_up,
    exactness_of,
    part,
    text,
    whole,
)
from autopack.model.calls import ModelCall

_LARGEST = 64 * 1024 * 1024
_ERROR = re.compile(rb"litellm\.(\w+(?:Error|Timeout))\b.*")


class AiderParser:
    """Reads the events of the log, and errors made into events."""

    told_at_the_end: ClassVar[bool] = False
    markers = (b'"event"',)

    def __init__(self, provider: str, model: str) -> None:
        self._provider, self._model = provider, model
        self._calls: list[ModelCall] = []
        self._asked = self._refused = 0
        self._error: str | None = None
        self._sound = True
        self._ended = False

    @staticmethod
    def as_lines(source: Path | bytes | BinaryIO) -> bytes:
        """Return the lines of a log, and of other output the errors in it."""
        found: list[bytes] = []
        for line in whole(source, _LARGEST).splitlines(keepends=True):
            error = _ERROR.match(line)
            if error is not None:
                said = {"name": error[1].decode(), "words": error[0].decode(errors="replace")}
                found.append(json.dumps({"event": "error", "properties": said}).encode() + b"\n")
            elif b"{" in line:  # words without a line break may stand before it
                found.append(line)
        return b"".join(found)

    def read(self, event: Json) -> None:
        kind, said = event.get("event"), part(event, "properties")
        if kind == "message_send_starting":
            self._asked += 1
        elif kind == "message_send":
            self._take(said)
        elif kind == "error":
            self._refused += 1
            self._error = text(said, "words")
        elif kind == "exit":
            self._ended = True

    def miss(self) -> None:
        self._sound = False

    def usage(self) -> Usage:
        # It asks once more, by itself, what was refused and may pass.
        failed = self._error is not None and self._asked > len(self._calls)
        name = _ERROR.match((self._error or "").encode())
        told = self._sound and self._ended and (failed or self._asked == len(self._calls))
        exactness = exactness_of(self._calls, all_told=told)
        return Usage(
            self._calls,
            add_up(self._calls, exactness),
            exactness,
            error=self._error if failed else None,
            http_status=STATUS.get(name[1].decode()) if failed and name else None,
        )

    def _take(self, said: Json) -> None:
        report = Report(said)
        report.needs("prompt_tokens", "completion_tokens")
        total = report.tokens("prompt_tokens") + report.tokens("completion_tokens")
        self._sound = self._sound and report.sound
        named = text(said, "main_model") or ""
        model = self._model if not named or named.endswith("REDACTED") else named
        self._calls.append(ModelCall(provider=self._provider, model=model, total=total))
