"""Finding the block behind a builder's name, ``claude-code/work``."""

from __future__ import annotations

from dataclasses import dataclass, field

from prefect.blocks.core import Block

from autopack.builders.registry import builder_class, split_name
from autopack.errors import NotFound
from blocks.builders import BuilderBlock
from blocks.script_builder import ScriptBuilderBlock


@dataclass(frozen=True)
class Configured:
    """A builder's options from a block; ``secrets`` are never stored."""

    options: dict[str, str] = field(default_factory=dict[str, str])
    secrets: dict[str, str] = field(default_factory=dict[str, str], repr=False)


async def configured(builder: str | None) -> Configured:
    """What the block in the builder's name says; nothing for a name without one.

    Raises NotFound when there is no such builder or no such block.
    """
    name, block_name = split_name(builder or "")
    if block_name is None:
        return Configured()
    builder_class(name)
    slug = f"autopack-builder-{name}"
    try:
        block = await Block.aload(f"{slug}/{block_name}")
    except ValueError as error:
        raise NotFound(
            f"there is no block {slug}/{block_name}",
            field="builder",
            hint="make one in the Prefect UI, under Blocks",
        ) from error
    if isinstance(block, ScriptBuilderBlock):
        return Configured(block.options())
    if not isinstance(block, BuilderBlock):
        raise NotFound(f"{slug}/{block_name} is no builder's block", field="builder")
    return Configured(block.options(), block.secrets())
