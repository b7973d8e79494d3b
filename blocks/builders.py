"""The builder blocks: the options and keys of a coding agent, named.

A run takes one as ``builder="claude-code/NAME"``. Keys stay in the block: they are neither stored
with the run nor written to any file. Each block is made from the options that its agent declares,
also where an installed package brings the agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from autopack.agents.agent import summary_of
from autopack.agents.options import AgentOptions, OptionRow
from autopack.agents.protocol import Builder
from autopack.agents.registry import builder_classes


class BuilderBlock(Block):
    """What every builder's block can do."""

    agent: ClassVar[type[Builder]]

    def options(self) -> dict[str, str]:
        """Return the builder's options, as ``--set`` takes them, but for those left empty."""
        values = {name: getattr(self, name) for name in self._options().model_fields}
        return {
            name: str(value)
            for name, value in values.items()
            if value is not None and not isinstance(value, SecretStr)
        }

    def secrets(self) -> dict[str, str]:
        """Return the options that are never stored."""
        values = {name: getattr(self, name) for name in self._options().model_fields}
        return {
            name: value.get_secret_value()
            for name, value in values.items()
            if isinstance(value, SecretStr)
        }

    @classmethod
    def _options(cls) -> type[AgentOptions]:
        return cls.agent.options_class


def block_of(agent: type[Builder]) -> type[BuilderBlock]:
    """Make the block of an agent: a field for each of its options, empty for the default."""
    fields = {row.name: _field(agent.options_class, row) for row in agent.options_class.rows()}
    about = summary_of(agent)
    metaclass: Any = type(BuilderBlock)
    return metaclass(
        block_class_name(agent.name),
        (BuilderBlock,),
        {
            "__module__": "blocks",
            "__doc__": about,
            "__annotations__": {name: annotation for name, (annotation, _) in fields.items()},
            **{name: field for name, (_, field) in fields.items()},
            "agent": agent,
            "_block_type_name": f"Autopack Builder: {agent.name}",
            "_block_type_slug": f"autopack-builder-{agent.name}",
            "_description": about,
        },
    )


def block_class_name(builder: str) -> str:
    """Return ``ClaudeCodeBlock`` for claude-code."""
    # A block class of that name was there before there were others.
    return (
        "ScriptBuilderBlock"
        if builder == "script"
        else "".join(map(str.capitalize, builder.split("-"))) + "Block"
    )


def builder_blocks() -> Mapping[str, type[BuilderBlock]]:
    """Return the block classes of all builders by the names of the classes."""
    made = [block_of(agent) for agent in builder_classes()]
    return {block.__name__: block for block in made}


def _field(options: type[AgentOptions], row: OptionRow) -> tuple[Any, Any]:
    declared = options.model_fields[row.name]
    # A path is of the machine that builds, and is shown as it was typed.
    kind: Any = str if row.is_path else declared.annotation
    if declared.metadata and not row.is_path:
        kind = Annotated[(kind, *declared.metadata)]
    about = _about(row)
    if row.is_required:
        return kind, Field(description=about)
    return kind | None, Field(default=None, description=about)


def _about(row: OptionRow) -> str:
    text = row.description[:1].upper() + row.description[1:]
    return f"{text}; {row.default} when empty." if row.default else f"{text}."
