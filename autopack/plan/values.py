"""How the single values of a plan are checked: texts, ids, numbers, paths and commands."""

from __future__ import annotations

import re
import shlex
from decimal import Decimal
from typing import Annotated, cast

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StringConstraints

from autopack.model.ids import ID_RULE, is_valid_id
from autopack.model.path_patterns import BadPattern, check_pattern
from autopack.secrecy.credentials import MASK, SHAPES

# Upper bounds keep the numbers inside 64-bit columns and timedelta.
MOST_TOKENS = 10**12
MOST_MINUTES = 366 * 24 * 60
# A float holds 15 digits exactly, so a cost survives JSON unchanged.
COST_DIGITS = 15

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_QUOTED = re.compile(r"""\\[^\n]|'[^']*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_OPERATOR = re.compile(r"\|{1,2}|&{1,2}|;|\d?[<>].*|.*;")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def shown(value: object) -> str:
    """``value`` as an error message quotes it: never long, never more than a line, and no key."""
    text = SHAPES.sub(MASK, repr(value))
    return text if len(text) <= 60 else f"{text[:59]}…"


def _text(value: str) -> str:
    if "\0" in value:  # neither an argument of a program nor PostgreSQL text can hold it
        raise ValueError("has a NUL character in it")
    return value


def _id(value: str) -> str:
    if not is_valid_id(value):
        raise ValueError(f"{shown(value)} is not a valid id; use {ID_RULE}")
    return value


def _label(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError(f"{shown(value)} has a control character in it")
    return value


def _not_a_switch(value: object) -> object:
    # Python's True is an int; a budget of "true" must not become 1.
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _json_number(value: float | Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)


def _path(value: str) -> str:
    """Return a file, folder or glob inside the repository, tidied.

    No ``./``, no doubled slash and no blanks around it.
    """
    value = value.strip(" ")
    if not value:
        raise ValueError("must not be empty")
    if _CONTROL.search(value):
        raise ValueError(f"{shown(value)} has a control character in it")
    if value.startswith(("/", "~")) or _DRIVE.match(value):
        raise ValueError(f"{shown(value)} is absolute; give it relative to the repository")
    if "\\" in value:
        raise ValueError(f"{shown(value)} has a backslash in it; separate folders by '/'")
    parts = [part for part in value.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"{shown(value)} has '..' in it; stay inside the repository")
    if not parts:
        raise ValueError(f"{shown(value)} is the whole repository; name a file or folder in it")
    if any(part.lower() == ".git" for part in parts):
        raise ValueError(f"{shown(value)} is git's own; name a file of the project")
    if value.startswith("!"):
        raise ValueError(
            f"{shown(value)} begins with '!', and no pattern takes another back; "
            "list under read_only what must not change"
        )
    try:
        check_pattern(value)
    except BadPattern as error:
        raise ValueError(f"{shown(value)} {error}") from error
    return "/".join(parts) + ("/" if value.endswith(("/", "/.")) else "")


def _command(value: object) -> object:
    """Split a command that is written as one string; a list of arguments is kept."""
    if isinstance(value, str):
        value = _split(value)
    if isinstance(value, list | tuple):
        arguments = cast("list[object] | tuple[object, ...]", value)
        if not arguments or arguments[0] == "":
            raise ValueError("must name a program")
        if str(arguments[0]).startswith("-"):
            raise ValueError(
                f"{shown(arguments[0])} is not a program; "
                "write a command with its options as one string, such as 'pytest -q'"
            )
        return tuple(arguments)
    raise ValueError("must be a command: one string, or a list of arguments")


def _split(text: str) -> list[str]:
    try:
        arguments = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"cannot be split into arguments: {str(error).lower()}") from error
    bare = _QUOTED.sub("Q", text.strip())
    if "\n" in bare:
        raise ValueError("holds several lines; write one command an entry")
    for word in bare.split():
        if _OPERATOR.fullmatch(word):
            raise ValueError(
                f"runs without a shell, so {shown(word)} would be an argument; "
                "write sh -c '…' where you want a shell"
            )
    if arguments and _ASSIGNMENT.match(bare):
        raise ValueError(
            f"runs without a shell, so {shown(arguments[0])} is not a program; "
            "put env in front of it"
        )
    return arguments


def _models(value: object) -> object:
    """Return a model's name, or several in a tuple; a list of one is that one."""
    if isinstance(value, str):
        return _model(value)
    if not isinstance(value, list | tuple):
        raise ValueError("must be the name of a model, or a list of names")
    listed = cast("list[object] | tuple[object, ...]", value)
    if not listed:
        raise ValueError("must not be empty")
    first, *others = map(_model, listed)
    names = (first, *others)
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"has {shown(name)} twice")
    return names if others else first


def _model(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not the name of a model")
    name = _text(value.strip())
    if not name:
        raise ValueError("must not be empty")
    return name


NonEmpty = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_text)
]
ModelNames = Annotated[str | tuple[str, ...], BeforeValidator(_models)]
"""One model, or several: a ladder that is climbed as attempts fail."""
Id = Annotated[str, AfterValidator(_id)]
Label = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64),
    AfterValidator(_label),
]
Tokens = Annotated[int, BeforeValidator(_not_a_switch), Field(ge=1, le=MOST_TOKENS)]
Count = Annotated[int, BeforeValidator(_not_a_switch), Field(ge=1, le=10_000)]
Minutes = Annotated[
    float,
    BeforeValidator(_not_a_switch),
    Field(gt=0, le=MOST_MINUTES, allow_inf_nan=False),
    PlainSerializer(_json_number, when_used="json"),
]
Share = Annotated[
    float,
    BeforeValidator(_not_a_switch),
    Field(ge=0, le=1, allow_inf_nan=False),
    PlainSerializer(_json_number, when_used="json"),
]
Cost = Annotated[
    Decimal,
    BeforeValidator(_not_a_switch),
    Field(gt=0, max_digits=COST_DIGITS),
    PlainSerializer(_json_number, when_used="json"),
]
RepoPath = Annotated[str, AfterValidator(_path)]
Argument = Annotated[str, AfterValidator(_text)]
CommandText = Annotated[tuple[Argument, ...], BeforeValidator(_command)]
"""A Command as a plan may spell it."""
