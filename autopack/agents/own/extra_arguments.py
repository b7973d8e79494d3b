"""Arguments that a user adds to an agent's own: refused where they would undo Autopack's."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from autopack.model.errors import BadInput


def readable_arguments(text: str) -> str:
    """Return the text when it can be split as a shell would. Raises BadInput."""
    try:
        shlex.split(text)
    except ValueError as error:
        raise BadInput(f"args cannot be read: {error}", field="args") from error
    return text


def extra_arguments(text: str | None, *, program: str, own: Collection[str]) -> list[str]:
    """Return the words of ``text``; ``own`` are the options that Autopack itself gives.

    A short option may carry its value (``-mNAME``), a long one behind ``=``. Raises BadInput for
    one of ``own``, for ``--`` and for ``-``.
    """
    words = shlex.split(text or "")
    for word in words:
        name = word.partition("=")[0]
        short = word[:2] if word[:1] == "-" and word[:2] != "--" else None
        if name in own or (short in own) or word in ("--", "-"):
            shown = short if short in own and name not in own else name
            raise BadInput(
                f"args has {shown}, which Autopack sets for {program} itself",
                field="args",
                hint="take it out; what Autopack passes has options of its own (autopack builders)",
            )
    return words
