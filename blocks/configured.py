"""Finding the blocks of a run: its builder's, ``claude-code/work``, and its doctor's."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from prefect.blocks.core import Block

from autopack.builders.registry import builder_class, split_name
from autopack.errors import NotFound
from autopack.recovery.doctor.endpoint import Endpoint
from blocks.builders import BuilderBlock
from blocks.doctor import AutopackDoctor
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


async def configured_doctor() -> Endpoint | None:
    """What the doctor's block says; None where there is none, and the environment has the key.

    Raises NotFound when the block that AUTOPACK_DOCTOR_BLOCK names does not exist.
    """
    name = os.environ.get("AUTOPACK_DOCTOR_BLOCK")
    try:
        block = await AutopackDoctor.aload(name or "default")
    except ValueError as error:
        if name is None:
            return None
        raise NotFound(
            f"there is no block autopack-doctor/{name}",
            field="AUTOPACK_DOCTOR_BLOCK",
            hint="make one in the Prefect UI, under Blocks",
        ) from error
    return Endpoint(block.api_key.get_secret_value(), block.base_url)
