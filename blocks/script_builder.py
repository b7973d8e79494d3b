"""The script builder block: a recording to replay, named."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field


class ScriptBuilderBlock(Block):
    """A recording that the script builder replays instead of a coding agent."""

    _block_type_name = "Autopack Builder: script"
    _block_type_slug = "autopack-builder-script"
    _description = "Replays a recording: deterministic runs without a model or a key."

    recording: str = Field(description="A folder with one YAML file per phase")

    def options(self) -> dict[str, str]:
        """The builder's options, as ``--set`` takes them."""
        return {"recording": self.recording}
