"""The formats in which agents tell what they spend."""

from __future__ import annotations

import inspect
from importlib import import_module

from autopack.agents.usage_formats import FORMATS


def page() -> str:
    """The usage formats."""
    parts = [
        "# Usage formats\n\n"
        "What `autopack usage parse FORMAT FILE` and `--set usage=FORMAT` of the builder `command`"
        " read. [Figures](../figures.md#exact-partial-unknown) says what exact, partial and unknown"
        " mean."
    ]
    for name, parser in FORMATS.items():
        documented = inspect.getdoc(import_module(parser.partition(":")[0])) or ""
        parts.append(f"## {name}\n\n{documented.replace('``', '`')}")
    return "\n\n".join(parts)
