"""The formats by name, and reading files of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from autopack.agents.usage_reading import Usage, UsageParser, events
from autopack.model.errors import BadInput, NotFound

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "claude-code": "autopack.agents.claude_code.usage:ClaudeCodeParser",
        "codex": "autopack.agents.codex.usage:CodexParser",
        "opencode": "autopack.agents.opencode.usage:OpencodeParser",
        "pi": "autopack.agents.pi.usage:PiParser",
    }
)
"""The parser of each format, by module and class: each lies in the folder of its agent."""

TOLD_AT_THE_END = frozenset({"codex"})
"""Formats whose standard output says nothing of tokens before the program ends."""


def parse(
    format: str,  # noqa: A002 - what users type
    source: Path | bytes | Iterable[Path | bytes | BinaryIO],
    *,
    provider: str = "",
    model: str = "",
) -> Usage:
    """Read an agent's output: its stdout, its session files, or both, one after the other.

    A file that is open already is closed again.

    ``provider`` and ``model`` are put where the output names none. Raises NotFound for an unknown
    format or a missing file, BadInput for a file that cannot be read; content never raises.
    """
    if format not in FORMATS:
        close = get_close_matches(format, FORMATS, n=1)
        raise NotFound(
            f"there is no usage format {format!r}",
            field="format",
            hint=f"did you mean {close[0]}?" if close else f"choose from {', '.join(FORMATS)}",
        )
    module, name = FORMATS[format].split(":")
    parser: UsageParser = getattr(import_module(module), name)(provider, model)
    for one in (source,) if isinstance(source, Path | bytes) else source:
        try:
            for event in events(one, parser.markers, parser.miss):
                parser.read(event)
        except FileNotFoundError as error:
            raise NotFound(f"there is no file {one}", field="file") from error
        except OSError as error:
            raise BadInput(f"{one} cannot be read: {error.strerror}", field="file") from error
    return parser.usage()
