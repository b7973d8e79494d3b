"""What the agents that take any provider share about an endpoint of the user's own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from autopack.agents.model_providers import key_variable
from autopack.agents.options import AtLeastOne, ProgramOptions
from autopack.settings import BUILDER_KEY

CUSTOM_PROVIDER = "autopack"
"""What an endpoint of the user's own is called in an agent's configuration."""

EndpointApi = Literal["chat", "messages", "responses"]
"""What such an endpoint speaks."""

ENDPOINT_KEY_VARIABLE = BUILDER_KEY.name
"""The key for an endpoint of the user's own; a provider's key is not sent to another's address."""


class AnyProviderOptions(ProgramOptions):
    """What programs take that reach any provider, or an endpoint of the user's own."""

    model: str | None = Field(
        None, description="the model, where run and plan name none: a name, or provider/name"
    )
    api: EndpointApi = Field("chat", description="what `base_url` speaks")
    context: AtLeastOne = Field(
        128_000, description="the context window of a model there, in tokens"
    )
    max_tokens: AtLeastOne = Field(
        16_000, description="the most tokens of an answer of a model there"
    )


def endpoint_key_variable(base_url: str | None, provider: str) -> str:
    """Return the variable of the key: the provider's, or that of the user's own endpoint."""
    return ENDPOINT_KEY_VARIABLE if base_url else key_variable(provider)
