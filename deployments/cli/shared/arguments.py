"""The words of a command line, before a command sees them: UTF-8 text, options with values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from cyclopts import CycloptsError

from autopack.model.errors import BadInput


def check_words(argv: Sequence[str], app: Any) -> None:
    """Raise BadInput for a word with bytes that are not UTF-8, which nothing could store or print,
    and for an option whose value is empty, as that of a variable that is not set.

    The field is the argument or option of ``app`` that it belongs to.
    """
    for number, word in enumerate(argv, 1):
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise BadInput(
                f"argument {number} is not UTF-8 text: {word!r}",
                field=_parameter(argv, app, _is_no_text) or f"argument {number}",
                hint="write it in UTF-8; a file of such a name needs another name",
            ) from error
    for option, given in _options(argv):
        if not given.strip():
            _refuse_empty(argv, app, option, given)


def _refuse_empty(argv: Sequence[str], app: Any, option: str, given: str) -> None:
    """Raise BadInput where ``given`` is the option's value, and not an argument beside a switch."""
    field = _parameter(argv, app, lambda value: value in (given, Path(given)))
    if field == option.removeprefix("--").replace("-", "_"):
        raise BadInput(
            f"{option} is empty",
            field=field,
            hint="give it a value, or leave the option out",
        )


def _options(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield options with what follows them, which is the value of those that take one."""
    for word, following in pairwise((*argv, "--")):
        if word.startswith("--"):
            option, found, value = word.partition("=")
            yield option, value if found else following


def _parameter(argv: Sequence[str], app: Any, is_it: Callable[[Any], bool]) -> str | None:
    """Return the first parameter with such a value; None where none can be told."""
    try:
        bound = app.parse_args(list(argv), exit_on_error=False, print_error=False)[1]
    except (CycloptsError, BadInput):
        return None
    return next(
        (name.strip("_") for name, value in _flat(bound.arguments.items()) if is_it(value)), None
    )


def _is_no_text(value: Any) -> bool:
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return True
    return False


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
