"""Which provider a model's name belongs to, as far as the name tells."""

from __future__ import annotations

import re

CUSTOM = "custom"
"""A provider that nothing names: an endpoint of the user's own."""

_BY_NAME = (
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"gpt|codex|chatgpt|o\d"), "openai"),
    (re.compile(r"gemini|gemma"), "google"),
    (re.compile(r"deepseek"), "deepseek"),
    (re.compile(r"grok"), "x-ai"),
    (re.compile(r"mistral|codestral|devstral"), "mistral"),
)

_PROTOCOLS = {CUSTOM: "openai-chat", "x-ai": "xai"}

PROVIDERS = tuple(name for _, name in _BY_NAME)
"""The providers that the names of models tell."""


def provider_of(model: str | None) -> str:
    """``openrouter`` for ``openrouter/x/y``, ``anthropic`` for ``claude-…``, else ``custom``."""
    if not model:
        return CUSTOM
    prefix, slash, _ = model.partition("/")
    if slash:
        return prefix
    return next((name for start, name in _BY_NAME if start.match(model)), CUSTOM)


def protocol_of(provider: str) -> str:
    """What pydantic-ai calls the provider; an endpoint of the user's own speaks OpenAI's chat."""
    return _PROTOCOLS.get(provider, provider)
