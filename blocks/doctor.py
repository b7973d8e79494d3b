"""The doctor block: how the provider of the doctor is reached."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field, SecretStr


class AutopackDoctor(Block):
    """The doctor's key and endpoint. Runs with ``policy.doctor: api`` use the one named `default`.

    The models are the plan's; another block is chosen by AUTOPACK_DOCTOR_BLOCK.
    """

    _block_type_name = "Autopack Doctor"
    _block_type_slug = "autopack-doctor"
    _description = "Answers what to do about a phase whose attempts fail."

    api_key: SecretStr = Field(description="The provider's key.")
    base_url: str | None = Field(
        default=None, description="Another endpoint than the provider's own."
    )
