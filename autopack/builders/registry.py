"""Builders by name: the one place to add one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from autopack.builders.protocol import Builder
from autopack.errors import BadInput, NotFound

BUILDERS: Mapping[str, str] = MappingProxyType(
    {
        "script": "autopack.builders.script:ScriptBuilder",
    }
)
DEFAULT_BUILDER = "script"

# Options that name a file or folder.
_PATHS = frozenset({"recording", "spec"})


def make_builder(name: str, options: Mapping[str, str]) -> Builder:
    """Make the builder called ``name`` with its ``--set`` options.

    Raises NotFound for an unknown name and BadInput for an option it does not take.
    """
    if name not in BUILDERS:
        close = get_close_matches(name, BUILDERS, n=1)
        raise NotFound(
            f"there is no builder called {name!r}",
            field="builder",
            hint=f"did you mean {close[0]}?" if close else f"choose from {', '.join(BUILDERS)}",
        )
    module, _, class_name = BUILDERS[name].partition(":")
    factory = getattr(import_module(module), class_name)
    known = inspect.signature(factory).parameters
    for option in options:
        if option not in known:
            raise BadInput(
                f"builder {name} has no option {option!r}",
                field="set",
                hint=f"it takes {', '.join(known) or 'none'}",
            )
    return factory(**options)


def absolute_options(options: Mapping[str, str]) -> dict[str, str]:
    """The options as a process in another working folder understands them."""
    return {
        name: str(Path(value).expanduser().absolute()) if name in _PATHS and value else value
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
