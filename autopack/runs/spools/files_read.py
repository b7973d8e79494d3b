"""Which files an agent read by itself, as far as the transcript of its build shows."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from autopack.files import safe_files

_LONGEST_LINE = 4 * 1024 * 1024
_DEEPEST = 12
# What agents call the arguments of their tools that name files, or commands that do.
_NAMING = frozenset(
    {
        "command", "cmd", "file_path", "filePath", "path", "paths", "absolute_path", "file",
        "files", "filename", "target_file", "notebook_path",
    }
)  # fmt: skip
_WORD = re.compile(r"[\w./@+~-]+")
_LOCATOR = re.compile(r"git:[0-9a-f]+:[^`\n]+@[0-9a-f]+")
"""How a prompt names the files that it shows: agents that print their prompt have read none."""


def files_read(transcript: Path, paths: Collection[str]) -> set[str]:
    """Return those of ``paths`` that a tool call in ``transcript`` names.

    ``transcript`` is what a build printed: JSON a line, of which only arguments of tools count, or
    plain text, of which every line does. A bare name stands for all files of that name.
    """
    by_name: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_name[path.rpartition("/")[2]].append(path)
    found: set[str] = set()
    for text in _named(transcript):
        words = [text, *(word.rstrip(".") for word in _WORD.findall(text))]
        for word in words:
            for path in by_name.get(word.rpartition("/")[2], ()):
                if f"/{word}".endswith(f"/{path}") or path.endswith(f"/{word.lstrip('./')}"):
                    found.add(path)
    return found


def _named(transcript: Path) -> Iterator[str]:
    """Yield each text of the transcript that may name a file that was read."""
    try:
        file = safe_files.open_read(transcript)
    except FileNotFoundError:
        return
    with file:
        while raw := file.readline(_LONGEST_LINE):
            line = raw.decode("utf-8", "replace")
            event = _json(line)
            if event is None:
                yield _LOCATOR.sub("", line)
                continue
            yield from _arguments(event)
            if event.get("type") is None and isinstance(event.get("output"), str):
                yield _LOCATOR.sub("", event["output"])  # recordings, and agents of ours


def _json(line: str) -> Mapping[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        event: object = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return cast("Mapping[str, Any]", event) if isinstance(event, dict) else {}


def _arguments(value: object, depth: int = 0) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        for name, one in cast("dict[str, object]", value).items():
            if name in _NAMING:
                yield from _strings(one)
            if name == "arguments" and isinstance(one, str):
                yield from _arguments(_json(one) or {}, depth + 1)
            else:
                yield from _arguments(one, depth + 1)
    elif isinstance(value, list):
        for one in cast("list[object]", value):
            yield from _arguments(one, depth + 1)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (one for one in cast("list[object]", value) if isinstance(one, str))
