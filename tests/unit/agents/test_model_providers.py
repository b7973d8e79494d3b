"""One table says whose model a name is, for builders, doctor and prices alike."""

from __future__ import annotations

import pytest
from support.building import made

from autopack.agents.api.agent import ApiBuilder
from autopack.agents.model_providers import key_variable, protocol_of, split_model
from autopack.agents.opencode.agent import OpencodeBuilder
from autopack.agents.pi.agent import PiBuilder
from autopack.repair.doctor.api_doctor import provider_and_model

# name, provider, its name there, what pydantic-ai calls the provider, the variable of its key
TABLE = [
    ("claude-haiku-4-5", "anthropic", "claude-haiku-4-5", "anthropic", "ANTHROPIC_API_KEY"),
    ("gpt-5", "openai", "gpt-5", "openai", "OPENAI_API_KEY"),
    ("ft:gpt-4o:acme", "openai", "ft:gpt-4o:acme", "openai", "OPENAI_API_KEY"),
    ("gemini-2.5-flash", "google", "gemini-2.5-flash", "google", "GEMINI_API_KEY"),
    ("Gemini-2.5-Pro", "google", "Gemini-2.5-Pro", "google", "GEMINI_API_KEY"),
    ("gemini/gemini-2.5-pro", "google", "gemini-2.5-pro", "google", "GEMINI_API_KEY"),
    ("google-gla:gemini-2.5-pro", "google", "gemini-2.5-pro", "google", "GEMINI_API_KEY"),
    ("grok-4", "x-ai", "grok-4", "xai", "XAI_API_KEY"),
    ("xai/grok-4", "x-ai", "grok-4", "xai", "XAI_API_KEY"),
    ("magistral-small", "mistral", "magistral-small", "mistral", "MISTRAL_API_KEY"),
    ("deepseek-chat", "deepseek", "deepseek-chat", "deepseek", "DEEPSEEK_API_KEY"),
    ("openrouter/x/y:free", "openrouter", "x/y:free", "openrouter", "OPENROUTER_API_KEY"),
    ("groq:openai/gpt-oss-20b", "groq", "openai/gpt-oss-20b", "groq", "GROQ_API_KEY"),
    # served by others than its maker
    ("gpt-oss-120b", "custom", "gpt-oss-120b", "openai-chat", "CUSTOM_API_KEY"),
    # a size, not a provider
    ("qwen3:8b", "custom", "qwen3:8b", "openai-chat", "CUSTOM_API_KEY"),
    ("elsewhere/m", "elsewhere", "m", "elsewhere", "ELSEWHERE_API_KEY"),
]


@pytest.mark.parametrize(("name", "provider", "own", "protocol", "key"), TABLE)
def test_a_name_tells_its_provider_to_all(
    name: str, provider: str, own: str, protocol: str, key: str
) -> None:
    assert split_model(name) == (provider, own)
    assert (protocol_of(provider), key_variable(provider)) == (protocol, key)
    assert provider_and_model(name) == f"{protocol}:{own}"
    for agent in (ApiBuilder, OpencodeBuilder, PiBuilder):
        assert made(agent).provider(name) == provider


def test_no_name_tells_nothing() -> None:
    assert split_model(None) == split_model("") == ("custom", "")
