"""The environment variables, from their declarations."""

from __future__ import annotations

from autopack.model.features import Feature
from autopack.settings import VARIABLES, Role
from support.reference.declared import cell

SETTINGS = [each for each in VARIABLES if each.role is not Role.MARK]
OWN = [each for each in VARIABLES if each.role is Role.MARK]


def page() -> str:
    """The environment variables."""
    rows = [_row(each.name, each.when_unset, each.meaning) for each in SETTINGS]
    rows += [
        _row(
            feature.variable,
            "",
            f"`false` forces `{feature}` off everywhere, `true` makes it the default",
        )
        for feature in Feature
    ]
    own = [f"| `{each.name}` | {each.meaning} |" for each in OWN]
    return (
        "# Settings\n\n"
        "Environment variables, read when a command or a flow starts. What a run or a block says"
        " beats them, but for a feature that is forced off.\n\n"
        "| variable | when unset | meaning |\n|---|---|---|\n"
        + "\n".join(rows)
        + "\n\nKeys come from the variables of their providers ([agents](../agents.md#keys)).\n\n"
        "## Marks\n\n"
        "Autopack sets these for the processes that it starts; nobody else should.\n\n"
        "| variable | says |\n|---|---|\n" + "\n".join(own)
    )


def _row(name: str, unset: str, meaning: str) -> str:
    return f"| `{name}` | {unset} | {cell(meaning)} |"
