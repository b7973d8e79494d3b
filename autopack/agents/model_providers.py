"""Which provider a model's name belongs to, and what each provider is called where.

The one table of providers: builders, doctor, prices, limits and circuits ask it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from autopack.model.errors import BadInput

CUSTOM = "custom"
"""A provider that nothing names: an endpoint of the user's own."""


@dataclass(frozen=True)
class Provider:
    """A provider of models.

    ``name`` is used in the ledger, for prices, limits and circuits, and before the ``/`` or ``:``
    of a model's name, as are the ``aliases``. ``models`` matches the beginnings of the names of
    its models. ``key``: the variable that holds its key by custom. ``protocol``: what pydantic-ai
    calls it. ``program``: what the agents that take any provider call it.
    """

    name: str
    models: str = ""
    key: str = ""
    protocol: str = ""
    program: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def key_variable(self) -> str:
        """Return ``OPENROUTER_API_KEY`` for openrouter, where nothing else is the custom."""
        return self.key or f"{self.name.upper().replace('-', '_')}_API_KEY"


# Providers of models that others made; each is named before the model.
_HOSTS = (
    "alibaba",
    "azure",
    "bedrock",
    "cerebras",
    "cohere",
    "fireworks",
    "github",
    "google-cloud",
    "google-vertex",
    "groq",
    "heroku",
    "huggingface",
    "litellm",
    "moonshotai",
    "nebius",
    "ollama",
    "openrouter",
    "ovhcloud",
    "sambanova",
    "together",
    "vercel",
)

_TABLE = (
    Provider("anthropic", r"claude"),
    # The open weights of OpenAI are served by others.
    Provider("openai", r"(ft:)?gpt(?!-oss)|codex|chatgpt|o\d"),
    Provider("google", r"gemini|gemma", "GEMINI_API_KEY", aliases=("gemini", "google-gla")),
    Provider("deepseek", r"deepseek"),
    Provider("x-ai", r"grok", "XAI_API_KEY", protocol="xai", program="xai", aliases=("xai",)),
    Provider(
        "mistral",
        r"(open-)?(mistral|mixtral|codestral)|ministral|magistral|devstral|pixtral",
        aliases=("mistralai",),
    ),
    Provider("openai-chat", key="OPENAI_API_KEY"),
    Provider("openai-responses", key="OPENAI_API_KEY"),
    *map(Provider, _HOSTS),
    Provider(CUSTOM, protocol="openai-chat"),
)
_NAMED = {name: one for one in _TABLE for name in (one.name, *one.aliases)}
_BY_MODEL = tuple((re.compile(one.models, re.IGNORECASE), one.name) for one in _TABLE if one.models)

PROVIDERS = tuple(name for _, name in _BY_MODEL)
"""The providers that the names of models tell."""


def split_model(model: str | None) -> tuple[str, str]:
    """Return the provider of a model, and the model's name there.

    ``openrouter/x/y`` is ``x/y`` of openrouter, ``groq:llama`` is ``llama`` of groq, ``claude-…``
    is anthropic's; what nothing names, such as ``qwen3:8b``, is ``custom``.
    """
    if not model:
        return CUSTOM, ""
    prefix, colon, own = model.partition(":")
    if colon and own and prefix in _NAMED:
        return _NAMED[prefix].name, own
    prefix, slash, own = model.partition("/")
    if slash:
        return provider_named(prefix).name, own or model
    return next((name for start, name in _BY_MODEL if start.match(model)), CUSTOM), model


def provider_named(name: str) -> Provider:
    """Return the provider that goes by ``name``; one that is in no table has custom names."""
    return _NAMED.get(name) or Provider(name)


def provider_of(model: str | None) -> str:
    """Return the provider of ``model``, see ``split_model``."""
    return split_model(model)[0]


def own_model(model: str) -> str:
    """Return the model's name without its provider."""
    return split_model(model)[1]


def key_variable(provider: str) -> str:
    """Return the variable that holds the key of a provider by custom."""
    return provider_named(provider).key_variable


def protocol_of(provider: str) -> str:
    """Return what pydantic-ai calls the provider; an endpoint of one's own speaks OpenAI's chat."""
    return provider_named(provider).protocol or provider


def program_name(provider: str) -> str:
    """Return what the agents that take any provider call this one."""
    return provider_named(provider).program or provider


def check_served(builder: str, model: str | None, provider: str) -> None:
    """Raise BadInput where nothing tells who serves the model: no variable holds a key for it."""
    if provider != CUSTOM:
        return
    if model:
        raise BadInput(
            f"nothing tells who serves the model {model!r}",
            field="model",
            hint=f"write provider/{model}, for example openrouter/{model}, or give the server:"
            " --set base_url=URL",
        )
    raise BadInput(
        f"{builder} needs a model, whose provider tells which key is used",
        field="model",
        hint="name one with --model, for example --model anthropic/claude-sonnet-4-5",
    )
