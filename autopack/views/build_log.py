"""What an agent says and which tools it uses, as lines for people, from the spool of its build."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

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

    def read(self) -> Iterator[str]:
        """Yield the lines that were written since the last look; of a cut-off one nothing yet."""
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
    text = raw.decode("utf-8", "replace").rstrip()
    if not text.startswith("{"):
        return [_short(text)] if text.strip() else []
    try:
        event: object = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [_short(line) for line in _said(cast("Json", event))] if isinstance(event, dict) else []


def _said(event: Json) -> Iterator[str]:
    """Yield the words of an event, whatever agent wrote it."""
    item, part, message = (_object(event, name) for name in ("item", "part", "message"))
    kind = event.get("type")
    is_answer = kind in ("message", "message_end") and message.get("role") == "assistant"
    if kind == "assistant" or is_answer:  # claude, pi
        yield from _contents(message)
    elif kind == "item.completed":  # codex
        if item.get("type") in ("agent_message", "reasoning") and item.get("text"):
            yield str(item["text"])
        elif item.get("type") == "command_execution":
            yield f"> {item.get('command', '')}"
        elif item.get("type") == "file_change":
            changed = [str(one.get("path")) for one in item.get("changes", []) if "path" in one]
            yield f"> change {', '.join(changed)}"
    elif kind == "text" and part.get("text"):  # opencode
        yield str(part["text"])
    elif kind == "tool_use" and part.get("tool"):
        yield _tool(str(part["tool"]), _object(_object(part, "state"), "input"))
    elif kind is None and isinstance(event.get("output"), str):  # recordings, and agents of ours
        yield from str(event["output"]).splitlines()
    elif kind in ("error", "turn.failed") or "error" in event:
        words = _object(event, "error").get("message") or event.get("error") or event.get("message")
        if isinstance(words, str) and words:
            yield f"error: {words}"


def _contents(message: Json) -> Iterator[str]:
    contents: object = message.get("content")
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
