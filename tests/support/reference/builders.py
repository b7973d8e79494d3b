"""The builders with their options, as each class declares them."""

from __future__ import annotations

from autopack.agents.agent import summary_of
from autopack.agents.options import OptionRow
from autopack.agents.protocol import Builder
from autopack.agents.registry import builder_classes


def page() -> str:
    """The builders and their options."""
    parts = [
        "# Builders and their options\n\n"
        "Options are given with `--set KEY=VALUE`, in a Prefect block, or in an experiment file."
        " [Agents](../agents.md) says how each builder is set up. A secret option is taken from"
        " a block only: other options are stored with the run. A path is seen from the folder that"
        " the command runs in, in an experiment from the file that names it."
    ]
    parts += [section(agent) for agent in builder_classes()]
    return "\n\n".join(parts)


def section(agent: type[Builder]) -> str:
    """One builder and its options."""
    lines = [
        f"## {agent.name}\n",
        f"{summary_of(agent)} Its block is `autopack-builder-{agent.name}`.\n",
        "| option | what it is | when unset |",
        "|---|---|---|",
        *map(_row, agent.options_class.rows()),
    ]
    return "\n".join(lines)


def _row(row: OptionRow) -> str:
    kind = " (secret)" if row.is_secret else " (path)" if row.is_path else ""
    unset = "required" if row.is_required else f"`{row.default}`" if row.default else ""
    return f"| `{row.name}`{kind} | {row.description} | {unset} |"
