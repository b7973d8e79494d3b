"""Where the doctor's provider is reached, where that is not left to the environment."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Endpoint:
    """The key, never stored, and another address than the provider's own."""

    api_key: str = field(repr=False)
    base_url: str | None = None
