"""The words of a command line, before a command sees them: UTF-8 text, or refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from cyclopts import CycloptsError

from autopack.model.errors import BadInput


def check_words(argv: Sequence[str], app: Any) -> None:
    """Raise BadInput for a word with bytes that are not UTF-8, which nothing could store or print.

    The field is the argument or option of ``app`` that it belongs to.
    """
    for number, word in enumerate(argv, 1):
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise BadInput(
                f"argument {number} is not UTF-8 text: {word!r}",
                field=_parameter(argv, app) or f"argument {number}",
                hint="write it in UTF-8; a file of such a name needs another name",
            ) from error


def _parameter(argv: Sequence[str], app: Any) -> str | None:
    """Return the first parameter whose value cannot be encoded; None where none can be told."""
    try:
        bound = app.parse_args(list(argv), exit_on_error=False, print_error=False)[1]
    except (CycloptsError, BadInput):
        return None
    for name, value in _flat(bound.arguments.items()):
        try:
            str(value).encode()
        except UnicodeEncodeError:
            return name.strip("_")
    return None


def _flat(arguments: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and values, those of groups of options in their place.

    Within a list a lone surrogate would be shown escaped, so its values are yielded one by one.
    """
    for name, value in arguments:
        if is_dataclass(value) and not isinstance(value, type):
            yield from _flat(asdict(value).items())
        elif isinstance(value, list | tuple):
            yield from ((name, each) for each in value)  # pyright: ignore[reportUnknownVariableType]
        else:
            yield name, value
