"""Reading the options of builders, which come as text from the command line."""

from __future__ import annotations

import math
from collections.abc import Sequence

from autopack.model.errors import BadInput


def whole_number(name: str, value: str | int, *, least: int = 0) -> int:
    """``value`` as a number of at least ``least``; raises BadInput naming the option."""
    try:
        number = int(value)
    except ValueError:
        number = least - 1
    if number < least:
        raise BadInput(
            f"{name} is {value!r}", field=name, hint=f"use a whole number of at least {least}"
        )
    return number


def seconds(name: str, value: str | float) -> float:
    """``value`` as a time above zero; raises BadInput naming the option."""
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise BadInput(
            f"{name} is {value!r}", field=name, hint="use a number of seconds above zero"
        )
    return number


def one_of(name: str, value: str, choices: Sequence[str]) -> str:
    """``value`` when it is among ``choices``; raises BadInput naming the option."""
    if value not in choices:
        raise BadInput(f"{name} is {value!r}", field=name, hint=f"use one of {', '.join(choices)}")
    return value
