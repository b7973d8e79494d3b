"""What the agents that take any provider share: names of providers, keys and models."""

from __future__ import annotations

CUSTOM_PROVIDER = "autopack"
"""What an endpoint of the user's own is called in an agent's configuration."""

DEFAULT_API = "chat"

ENDPOINT_KEY_VARIABLE = "AUTOPACK_BUILDER_KEY"
"""The key for an endpoint of the user's own; a provider's key is not sent to another's address."""

_KEY_VARIABLES = {"google": "GEMINI_API_KEY", "x-ai": "XAI_API_KEY"}


def key_variable(provider: str) -> str:
    """Where the key of a provider is kept by custom: ``OPENROUTER_API_KEY`` for openrouter."""
    name = provider.upper().replace("-", "_")
    return _KEY_VARIABLES.get(provider, f"{name}_API_KEY")


def own_model(model: str) -> str:
    """The model's name without its provider."""
    return model.partition("/")[2] or model
