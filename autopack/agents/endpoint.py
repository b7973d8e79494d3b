"""What the agents that take any provider share about an endpoint of the user's own."""

from __future__ import annotations

from typing import Literal

CUSTOM_PROVIDER = "autopack"
"""What an endpoint of the user's own is called in an agent's configuration."""

EndpointApi = Literal["chat", "messages", "responses"]
"""What such an endpoint speaks."""

ENDPOINT_KEY_VARIABLE = "AUTOPACK_BUILDER_KEY"
"""The key for an endpoint of the user's own; a provider's key is not sent to another's address."""
