"""Builders by name: the built-in ones and those that installed packages bring."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from urllib.parse import urlsplit

from autopack.agents.agent import Agent
from autopack.agents.options import AgentOptions
from autopack.agents.protocol import Builder
from autopack.model.errors import BadInput, NotFound
from autopack.model.locations import expanded

ENTRY_POINTS = "autopack.agents"
"""The entry-point group; each entry is named like the builder, and is its class."""

DEFAULT_BUILDER = "script"

_BUILTIN = (
    ("script", "autopack.testing.script:ScriptBuilder"),
    ("simulated", "autopack.testing.simulated:SimulatedBuilder"),
    ("claude-code", "autopack.agents.claude_code.agent:ClaudeCodeBuilder"),
    ("codex", "autopack.agents.codex.agent:CodexBuilder"),
    ("opencode", "autopack.agents.opencode.agent:OpencodeBuilder"),
    ("pi", "autopack.agents.pi.agent:PiBuilder"),
    ("gemini", "autopack.agents.gemini.agent:GeminiBuilder"),
    ("qwen", "autopack.agents.qwen.agent:QwenBuilder"),
    ("mini-swe-agent", "autopack.agents.mini_swe_agent.agent:MiniSweAgentBuilder"),
    ("aider", "autopack.agents.aider.agent:AiderBuilder"),
    ("api", "autopack.agents.api.agent:ApiBuilder"),
    ("command", "autopack.agents.command.agent:CommandBuilder"),
)

# Part of a block's slug and of a limit's name; what follows a slash names a block.
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# All that a class has to have: what the protocol declares.
_MEMBERS = tuple(
    name for name in {**Builder.__annotations__, **vars(Builder)} if not name.startswith("_")
)

_log = logging.getLogger(__name__)


def builder_names() -> tuple[str, ...]:
    """Return the names of all builders, the built-in ones first; none is loaded."""
    return tuple(_entries())


def builder_class(name: str) -> type[Builder]:
    """Return the class of the builder called ``name``, which may end in ``/block``.

    Raises NotFound when there is none, BadInput when it does not load.
    """
    plain, _ = split_name(name)
    known = _entries()
    if plain not in known:
        close = get_close_matches(plain, known, n=1)
        raise NotFound(
            f"there is no builder called {plain!r}",
            field="builder",
            hint=f"did you mean {close[0]}?" if close else f"choose from {', '.join(known)}",
        )
    if len(known[plain]) > 1:
        raise BadInput(
            f"two builders are called {plain!r}: "
            + " and ".join(entry.value for entry in known[plain]),
            field="builder",
            hint="uninstall the package that brings the other one",
        )
    return _loaded(known[plain][0])


def builder_classes() -> Iterator[type[Builder]]:
    """Yield the class of every builder that loads; the others are logged."""
    for name in builder_names():
        try:
            yield builder_class(name)
        except BadInput as error:
            _log.warning("%s: %s", error.message, error.hint)


def simulated_names() -> tuple[str, ...]:
    """Return the builders that pay nobody."""
    return tuple(one.name for one in builder_classes() if one.simulated)


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
    found = builder_class(name)
    given = dict(options)
    if model is not None and "model" in found.options_class.model_fields:
        given["model"] = model
    return found(found.options_class.read(name, given, secrets))


def split_name(name: str) -> tuple[str, str | None]:
    """``claude-code/work`` as the builder and the block that configures it, None without one."""
    plain, _, block = name.partition("/")
    return plain, block or None


def circuit_name(builder: Builder, model: str | None) -> str | None:
    """Return which circuit the builder's calls belong to: ``provider/model``, and the server where
    it is not the provider's own. None for a builder that calls no provider."""
    provider = builder.provider(model)
    if provider is None:
        return None
    endpoint = builder.endpoint
    server = f"@{urlsplit(endpoint).netloc.rpartition('@')[2]}" if endpoint else ""
    return f"{provider}/{model or 'default'}{server}"[:200]


def secrets_of(builder: Builder) -> tuple[str, ...]:
    """Return what a builder hands to its builds that must not be kept. Raises BadInput."""
    return tuple(builder.secrets()) if isinstance(builder, Agent) else ()


def configuration_of(builder: Builder) -> dict[str, str]:
    """Return what shapes a builder's builds besides its options. Raises BadInput."""
    return dict(builder.configuration()) if isinstance(builder, Agent) else {}


def options_for(name: str, options: Mapping[str, str], *, is_own: bool) -> dict[str, str]:
    """Return the options of one builder of a run: the run's own, or those given as NAME.OPTION."""
    if is_own:
        return {key: value for key, value in options.items() if "." not in key}
    return {
        option: value
        for key, value in options.items()
        for scope, dot, option in [key.partition(".")]
        if dot and scope == name
    }


def scoped_names(options: Mapping[str, str]) -> frozenset[str]:
    """Return the builders besides the run's own that have options."""
    return frozenset(key.partition(".")[0] for key in options if "." in key)


def path_options(name: str) -> frozenset[str]:
    """Return the options of the builder ``name`` that are files or folders. Raises NotFound."""
    return builder_class(name).options_class.path_names()


def absolute_options(
    name: str, options: Mapping[str, str], base: Path | None = None
) -> dict[str, str]:
    """Return the options of the builder ``name`` as another process understands them.

    Paths are seen from the folder ``base``, by default the one that this process works in. Options
    of other builders are among them as NAME.OPTION. Raises NotFound.
    """
    here = base or Path.cwd()
    paths = path_options(name) | {
        f"{other}.{option}" for other in scoped_names(options) for option in path_options(other)
    }
    return {
        option: str(here / expanded(value, option)) if option in paths and value else value
        for option, value in options.items()
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


@cache
def _entries() -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return the entries by name: more than one where two packages want the same."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    builtin = [EntryPoint(name, value, ENTRY_POINTS) for name, value in _BUILTIN]
    for entry in (*builtin, *entry_points(group=ENTRY_POINTS)):
        others = found.get(entry.name, ())
        if entry.value not in (other.value for other in others):
            found[entry.name] = (*others, entry)
    return found


@cache
def _loaded(entry: EntryPoint) -> type[Builder]:
    try:
        loaded: object = entry.load()
    except Exception as error:
        raise BadInput(
            f"the builder {entry.name!r} ({entry.value}) does not load: "
            f"{type(error).__name__}: {error}",
            field="builder",
            hint="fix or uninstall the package that brings it",
        ) from error
    wrong = _wrong_with(entry.name, loaded)
    if wrong is not None:
        raise BadInput(
            f"{entry.value} is not a builder: {wrong}",
            field="builder",
            hint="fix or uninstall the package that brings it",
        )
    return loaded  # pyright: ignore[reportReturnType] - it was looked at


def _wrong_with(name: str, loaded: object) -> str | None:
    if not isinstance(loaded, type):
        return "it is not a class"
    missing = [member for member in _MEMBERS if not hasattr(loaded, member)]
    if missing:
        return f"it lacks {', '.join(missing)}"
    if inspect.isabstract(loaded):
        return "it does not build"
    options: object = getattr(loaded, "options_class", None)
    if not (isinstance(options, type) and issubclass(options, AgentOptions)):
        return "its options_class is no subclass of AgentOptions"
    if getattr(loaded, "name", None) != name:
        return f"its name is {getattr(loaded, 'name', None)!r}, its entry point's {name!r}"
    if not _NAME.fullmatch(name):
        return "a name has small letters, digits and single hyphens"
    return None
