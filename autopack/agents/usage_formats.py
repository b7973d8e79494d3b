"""The usage formats: each agent's, named for it, and the neutral one; reading files of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO, cast

from autopack.agents.neutral.usage import NeutralParser
from autopack.agents.registry import builder_class, builder_classes, builder_names
from autopack.agents.usage_reading import ContinuingParser, Usage, UsageParser, events
from autopack.model.errors import BadInput, NotFound
from autopack.process.log import is_whole

NEUTRAL = "neutral"
"""The format that is no agent's own."""


def formats() -> tuple[str, ...]:
    """Return the names of all formats."""
    agents = tuple(one.name for one in builder_classes() if one.usage_parser is not None)
    return (*agents, NEUTRAL)


def parser_of(format: str) -> type[UsageParser]:  # noqa: A002 - what users type
    """Return what reads a format. Raises NotFound."""
    if format == NEUTRAL:
        return NeutralParser
    found = builder_class(format).usage_parser if format in builder_names() else None
    if found is None:
        known = formats()
        close = get_close_matches(format, known, n=1)
        raise NotFound(
            f"there is no usage format {format!r}",
            field="format",
            hint=f"did you mean {close[0]}?" if close else f"choose from {', '.join(known)}",
        )
    return found


def parse(
    format: str,  # noqa: A002 - what users type
    source: Path | bytes | Iterable[Path | bytes | BinaryIO],
    *,
    provider: str = "",
    model: str = "",
    output: Path | None = None,
) -> Usage:
    """Read an agent's output: its stdout, its session files, or both, one after the other.

    A file that is open already is closed again.

    ``provider`` and ``model`` are put where the output names none. When ``output``, the log of the
    program, was emptied meanwhile, something is missing. Raises NotFound for an unknown
    format or a missing file, BadInput for a file that cannot be read; content never raises.
    """
    return parse_with(parser_of(format), source, provider=provider, model=model, output=output)


def parse_with(
    reader: type[UsageParser],
    source: Path | bytes | Iterable[Path | bytes | BinaryIO],
    *,
    provider: str = "",
    model: str = "",
    earlier: Sequence[bytes | BinaryIO] = (),
    output: Path | None = None,
) -> Usage:
    """Read like ``parse``, in the format of ``reader``.

    ``earlier`` tells of the calls that the same conversation had made before; they do not count.
    """
    parser = reader(provider, model)
    if earlier:
        for one in earlier:
            for event in events(one, parser.markers, parser.miss):
                parser.read(event)
        cast("ContinuingParser", parser).begin()
    if output is not None and not is_whole(output):
        parser.miss()
    for one in (source,) if isinstance(source, Path | bytes) else source:
        try:
            # A format may not be lines as it stands.
            as_lines: Callable[[Path | bytes | BinaryIO], bytes] | None = getattr(
                reader, "as_lines", None
            )
            told = one if as_lines is None else as_lines(one)
            for event in events(told, parser.markers, parser.miss):
                parser.read(event)
        except FileNotFoundError as error:
            raise NotFound(f"there is no file {one}", field="file") from error
        except OSError as error:
            raise BadInput(f"{one} cannot be read: {error.strerror}", field="file") from error
    return parser.usage()
