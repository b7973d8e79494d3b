"""The builders with their options, as each class takes them."""

from __future__ import annotations

import inspect

from autopack.agents.registry import BUILDERS, SECRET_OPTIONS, builder_class


def page() -> str:
    """The builders and their options."""
    parts = [
        "# Builders and their options\n\n"
        "Options are given with `--set KEY=VALUE`, in a Prefect block, or in an experiment file."
        " [Agents](../agents.md) says how each builder is set up. A secret option is taken from"
        " a block only: other options are stored with the run."
    ]
    parts += [_builder(name) for name in BUILDERS]
    return "\n\n".join(parts)


def _builder(name: str) -> str:
    cls = builder_class(name)
    about = " ".join((inspect.getdoc(cls) or "").replace("``", "`").split())
    lines = [f"## {name}\n", f"{about}\n", "| option | when unset |", "|---|---|"]
    for option, parameter in inspect.signature(cls).parameters.items():
        unset = "" if parameter.default is None else f"`{parameter.default}`"
        secret = " (secret)" if option in SECRET_OPTIONS else ""
        lines.append(f"| `{option}`{secret} | {unset} |")
    return "\n".join(lines)
