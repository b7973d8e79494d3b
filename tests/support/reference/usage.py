"""The formats in which agents tell what they spend."""

from __future__ import annotations

import inspect

from autopack.agents.usage_formats import formats, parser_of


def page() -> str:
    """The usage formats."""
    parts = [
        "# Usage formats\n\n"
        "What `autopack usage parse FORMAT FILE` and `--set usage=FORMAT` of the builder `command`"
        " read. [Figures](../figures.md#exact-partial-unknown) says what exact, partial and unknown"
        " mean."
    ]
    for name in formats():
        documented = inspect.getdoc(inspect.getmodule(parser_of(name))) or ""
        parts.append(f"## {name}\n\n{documented.replace('``', '`')}")
    return "\n\n".join(parts)
