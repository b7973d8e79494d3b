"""Builders by name: the one place to add one."""

from __future__ import annotations

import inspect
import io
import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from autopack.agents.protocol import Builder
from autopack.model.errors import BadInput, NotFound
from autopack.secrecy.addresses import check_no_secret
from autopack.secrecy.credentials import SHAPES, environment_secrets
from autopack.secrecy.redaction import Redactor

BUILDERS: Mapping[str, str] = MappingProxyType(
    {
        "script": "autopack.testing.script:ScriptBuilder",
        "simulated": "autopack.testing.simulated:SimulatedBuilder",
        "claude-code": "autopack.agents.claude_code.agent:ClaudeCodeBuilder",
        "codex": "autopack.agents.codex.agent:CodexBuilder",
        "opencode": "autopack.agents.opencode.agent:OpencodeBuilder",
        "pi": "autopack.agents.pi.agent:PiBuilder",
        "api": "autopack.agents.api.agent:ApiBuilder",
        "command": "autopack.agents.command.agent:CommandBuilder",
    }
)
DEFAULT_BUILDER = "script"

PATH_OPTIONS = frozenset({"recording", "spec"})
"""Options that name a file or folder."""


SECRET_OPTIONS = frozenset({"api_key"})
"""Options that hold a secret: from a block or code only, for other options are stored."""

# Capitals alone, as is the custom: much that is pasted here by mistake is a key itself.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


def make_builder(
    name: str,
    options: Mapping[str, str],
    *,
    model: str | None = None,
    secrets: Mapping[str, str] | None = None,
) -> Builder:
    """Make the builder called ``name`` with its ``--set`` options.

    ``name`` may end in ``/block``, the block that the options came from. ``model`` is the run's;
    ``secrets`` are options that are never stored. Raises NotFound for an unknown name and BadInput
    for an option it does not take.
    """
    factory = builder_class(name)
    known = inspect.signature(factory).parameters
    _check_options(name, options, [option for option in known if option not in SECRET_OPTIONS])
    given = {**options, **(secrets or {})}
    if model is not None and "model" in known:
        given["model"] = model
    return factory(**given)


def builder_class(name: str) -> type[Builder]:
    """The class of the builder called ``name``. Raises NotFound."""
    plain, _ = split_name(name)
    if plain not in BUILDERS:
        close = get_close_matches(plain, BUILDERS, n=1)
        raise NotFound(
            f"there is no builder called {plain!r}",
            field="builder",
            hint=f"did you mean {close[0]}?" if close else f"choose from {', '.join(BUILDERS)}",
        )
    module, _, class_name = BUILDERS[plain].partition(":")
    return getattr(import_module(module), class_name)


def split_name(name: str) -> tuple[str, str | None]:
    """``claude-code/work`` as the builder and the block that configures it, None without one."""
    plain, _, block = name.partition("/")
    return plain, block or None


def is_simulated(builder: Builder) -> bool:
    """Whether nobody is paid for the builder's calls: a recording, a simulation."""
    return bool(getattr(builder, "simulated", False))


def circuit_name(builder: Builder, model: str | None) -> str | None:
    """Which circuit the builder's calls belong to: ``provider/model``, and the server where it is
    not the provider's own. None for a builder that calls no provider."""
    provider = getattr(builder, "provider", None)
    if provider is None:
        return None
    base_url: str | None = getattr(builder, "base_url", None)
    server = f"@{urlsplit(base_url).netloc.rpartition('@')[2]}" if base_url else ""
    return f"{provider(model)}/{model or 'default'}{server}"[:200]


def _check_options(name: str, options: Mapping[str, str], known: list[str]) -> None:
    for option in options:
        if option in SECRET_OPTIONS:
            raise BadInput(
                f"{option} is a secret, and options are stored with the run",
                field="set",
                hint="put it into an environment variable (--set key_env=NAME) or a block",
            )
        if option not in known:
            raise BadInput(
                f"builder {name} has no option {option!r}",
                field="set",
                hint=f"it takes {', '.join(known) or 'none'}",
            )
    if not _VARIABLE.fullmatch(options.get("key_env", "NAME")):
        # Its value is not repeated: it may be the key itself.
        raise BadInput(
            "key_env is not the name of an environment variable in capitals",
            field="key_env",
            hint="name the variable that holds the key, for example ANTHROPIC_API_KEY",
        )
    check_no_secret(options.get("base_url", ""), "base_url")
    keys = Redactor(environment_secrets(os.environ))
    for option, value in options.items():
        if SHAPES.search(value) is None and not keys.is_key_in(io.BytesIO(value.encode())):
            continue
        raise BadInput(
            f"{option} holds a secret, and options are stored with the run",
            field=option,
            hint="keys come from key_env (--set key_env=NAME) or a block",
        )


def absolute_options(options: Mapping[str, str]) -> dict[str, str]:
    """The options as a process in another working folder understands them."""
    return {
        name: str(Path(value).expanduser().absolute()) if name in PATH_OPTIONS and value else value
        for name, value in options.items()
    }


def parse_options(pairs: list[str]) -> dict[str, str]:
    """Turn ``KEY=VALUE`` texts into options; raises BadInput for one without ``=``."""
    options: dict[str, str] = {}
    for pair in pairs:
        key, found, value = pair.partition("=")
        if not found or not key.strip():
            raise BadInput(
                f"--set {pair!r} is not KEY=VALUE", field="set", hint="for example recording=DIR"
            )
        options[key.strip()] = value
    return options
