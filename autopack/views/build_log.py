"""What an agent says and which tools it uses, as lines for people, from the spool of its build."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from autopack.agents.laid_out import as_seen, values_of
from autopack.files import safe_files
from autopack.model.ids import AttemptKey
from autopack.runs.spools.spool import spool_folder
from autopack.views.escaping import plain

_OUTPUT = "builder.out"
_LONGEST_LINE = 4 * 1024 * 1024
_LONGEST_SHOWN = 400
_TOLD_BY = ("command", "cmd", "file_path", "filePath", "path", "pattern", "url", "description")

Json = Mapping[str, Any]


@dataclass
class BuildLog:
    """Reads the spool of one attempt as it grows: each ``read`` yields what came since."""

    run_folder: Path
    key: AttemptKey
    offset: int = 0

    def read(self, *, is_over: bool = False) -> Iterator[str]:
        """Yield the lines that were written since the last look.

        Of one that has no end yet nothing, unless the build ``is_over``: then none will come.
        """
        path = spool_folder(self.run_folder, self.key) / _OUTPUT
        try:
            file = safe_files.open_read(path)
        except FileNotFoundError:
            return
        with file:
            file.seek(self.offset)
            while (raw := file.readline(_LONGEST_LINE)).endswith(b"\n") or (
                len(raw) == _LONGEST_LINE  # a picture, or a whole file: passed over
            ):
                self.offset += len(raw)
                if raw.endswith(b"\n"):
                    yield from lines_of(raw)
            if is_over and raw:
                self.offset += len(raw)
                yield from lines_of(raw)

    def skip_to_end(self, most: int) -> None:
        """Read from here on about ``most`` bytes before the end, at the start of a line."""
        try:
            file = safe_files.open_read(spool_folder(self.run_folder, self.key) / _OUTPUT)
        except FileNotFoundError:
            return
        with file:
            size = file.seek(0, os.SEEK_END)
            if size > most:
                file.seek(size - most)
                # A line longer than that is passed over by the next read, from its end on.
                self.offset = size - most + len(file.readline(most))


def lines_of(raw: bytes) -> list[str]:
    """Return what a line of an agent's output says to people; none for mere bookkeeping."""
    bare = as_seen(raw)
    if not bare.startswith(b"{"):
        text = raw.decode("utf-8", "replace").rstrip()
        return [_short(text)] if text.strip() else []
    events = [cast("Json", one) for one in values_of(bare) or () if isinstance(one, dict)]
    return [_short(line) for event in events for line in _said(event)]


def _said(event: Json) -> Iterator[str]:
    """Yield the words of an event, whatever agent wrote it."""
    item, part, message = (_object(event, name) for name in ("item", "part", "message"))
    kind = event.get("type")
    is_answer = kind in ("message", "message_end") and message.get("role") == "assistant"
    if kind == "assistant" or is_answer:  # claude, qwen, pi
        yield from _contents(message)
    elif kind == "message" and event.get("role") == "assistant":  # gemini
        yield from _contents(event)
    elif kind == "item.completed":  # codex
        if item.get("type") in ("agent_message", "reasoning") and item.get("text"):
            yield str(item["text"])
        elif item.get("type") == "command_execution":
            yield f"> {item.get('command') or ''}"
        elif item.get("type") == "file_change":
            changes: object = item.get("changes")
            listed = cast("list[object]", changes) if isinstance(changes, list) else []
            named = [cast("Json", one).get("path") for one in listed if isinstance(one, dict)]
            yield f"> change {', '.join(str(path) for path in named if path)}"
    elif kind == "text" and part.get("text"):  # opencode
        yield str(part["text"])
    elif kind == "tool_use" and part.get("tool"):
        yield _tool(str(part["tool"]), _object(_object(part, "state"), "input"))
    elif kind == "tool_use" and event.get("tool_name"):  # gemini
        yield _tool(str(event["tool_name"]), _object(event, "parameters"))
    elif kind is None and isinstance(event.get("output"), str):  # recordings, and agents of ours
        yield from str(event["output"]).splitlines()
    elif kind in ("error", "turn.failed") or event.get("error"):
        yield from _error(event)
    elif kind == "result" and event.get("is_error") is True and event.get("result"):  # claude
        yield f"error: {event['result']}"


def _error(event: Json) -> Iterator[str]:
    error = _object(event, "error")
    told = (
        _object(error, "data").get("message"),
        error.get("message"),
        event.get("error"),
        event.get("message"),
        error.get("name"),
    )
    words = next((one for one in told if isinstance(one, str) and one), None)
    if words is not None:
        yield f"error: {words}"


def _contents(message: Json) -> Iterator[str]:
    contents: object = message.get("content")
    if isinstance(contents, str) and contents.strip():
        yield contents
    for one in cast("list[object]", contents) if isinstance(contents, list) else []:
        if not isinstance(one, dict):
            continue
        block = cast("Json", one)
        if block.get("type") == "text" and block.get("text"):
            yield str(block["text"])
        elif block.get("type") in ("tool_use", "toolCall"):
            given = _object(block, "input") or _object(block, "arguments")
            yield _tool(str(block.get("name", "tool")), given)


def _tool(name: str, given: Json) -> str:
    told = next((str(given[key]) for key in _TOLD_BY if given.get(key)), "")
    return f"> {name.lower()} {told}".rstrip()


def _object(data: Json, name: str) -> Json:
    value = data.get(name)
    return cast("Json", value) if isinstance(value, dict) else {}


def _short(text: str) -> str:
    line = " ".join(plain(text).split())
    return line if len(line) <= _LONGEST_SHOWN else f"{line[: _LONGEST_SHOWN - 1]}…"
