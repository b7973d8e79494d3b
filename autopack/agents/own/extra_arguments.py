"""Arguments that a user adds to an agent's own: refused where they would undo Autopack's."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator

from autopack.model.errors import BadInput

_MOST_TOGETHER = 4
_SHORTEST = 5
"""A shorter one is an option of its own, as `--git` is beside `--gitignore`."""


def readable_arguments(text: str) -> str:
    """Return the text when it can be split as a shell would. Raises BadInput."""
    try:
        shlex.split(text)
    except ValueError as error:
        raise BadInput(f"args cannot be read: {error}", field="args") from error
    return text


def extra_arguments(
    text: str | None, *, program: str, own: Collection[str], abbreviates: bool = False
) -> list[str]:
    """Return the words of ``text``; ``own`` are the options that Autopack itself gives.

    A short option may carry its value (``-mNAME``) or stand with others (``-dy``), a long one
    behind ``=``, with capitals for its hyphens, or with ``no-`` before it; where the program
    ``abbreviates``, its beginning is enough. Raises BadInput for one of ``own``, for ``--`` and
    for ``-``.
    """
    words = shlex.split(text or "")
    for word in words:
        taken = next((one for one in _spelled(word, own, abbreviates) if one in own), None)
        if taken is not None or word in ("--", "-"):
            raise BadInput(
                f"args has {taken or word}, which Autopack sets for {program} itself",
                field="args",
                hint="take it out; what Autopack passes has options of its own (autopack builders)",
            )
    return words


def _spelled(word: str, own: Collection[str], abbreviates: bool) -> Iterator[str]:
    """Yield the options that a word may stand for."""
    name = word.partition("=")[0]
    yield name
    if not name.startswith("-"):
        return
    if not name.startswith("--"):
        yield name[:2]
        if len(name) <= _MOST_TOGETHER and name[1:].isalpha():
            yield from (f"-{letter}" for letter in name[1:])
        return
    plain = re.sub(r"(?<=[a-z0-9])[A-Z]", lambda found: f"-{found[0]}", name).lower()
    yield plain
    positive = f"--{plain[2:].removeprefix('no-')}"
    yield positive
    yield f"--no-{plain[2:]}"
    if abbreviates and len(positive) > _SHORTEST:
        yield from (one for one in own if one.startswith(positive))
