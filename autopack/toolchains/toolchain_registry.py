"""Toolchains by name: the built-in ones and those that installed packages bring."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from autopack.model.errors import BadInput
from autopack.toolchains.runner import Runner
from autopack.toolchains.toolchain import Toolchain

ENTRY_POINTS = "autopack.toolchains"
"""The entry-point group; each entry is named like the toolchain, and is its class."""

_ABOVE = (
    "conftest.py",
    "babel.config.*",
    "eslint.config.*",
    "tsconfig*.json",
    "go.work",
    "rust-toolchain*",
)
"""What tools look for in the folders above, and no toolchain names."""

_HERE = "autopack.toolchains"
_BUILTIN = (
    ("python", f"{_HERE}.python.toolchain:Python"),
    ("node", f"{_HERE}.node.toolchain:Node"),
    ("deno", f"{_HERE}.deno.toolchain:Deno"),
    ("go", f"{_HERE}.go.toolchain:Go"),
    ("rust", f"{_HERE}.rust.toolchain:Rust"),
    ("java", f"{_HERE}.java.toolchain:Java"),
    ("c", f"{_HERE}.c.toolchain:C"),
    ("dotnet", f"{_HERE}.dotnet.toolchain:Dotnet"),
    ("php", f"{_HERE}.php.toolchain:Php"),
    ("ruby", f"{_HERE}.ruby.toolchain:Ruby"),
    ("perl", f"{_HERE}.perl.toolchain:Perl"),
    ("elixir", f"{_HERE}.elixir.toolchain:Elixir"),
)


@cache
def toolchains() -> tuple[Toolchain, ...]:
    """Return every toolchain, the built-in ones first.

    Raises BadInput for an installed one that does not load, or whose name is taken.
    """
    known: dict[str, Toolchain] = {}
    builtin = [EntryPoint(name, value, ENTRY_POINTS) for name, value in _BUILTIN]
    for entry in (*builtin, *entry_points(group=ENTRY_POINTS)):
        if entry.name in known:
            raise BadInput(
                f"two toolchains are called {entry.name!r}, one of them {entry.value}",
                field=ENTRY_POINTS,
                hint="uninstall the package that brings it",
            )
        known[entry.name] = _loaded(entry)
    return tuple(known.values())


@cache
def runners() -> tuple[Runner, ...]:
    """Return every reader of results, by the names of their modules."""
    found = [runner for toolchain in toolchains() for runner in runners_of(toolchain)]
    return tuple(sorted(found, key=lambda each: type(each).__module__.rpartition(".")[2]))


def runners_of(toolchain: Toolchain) -> tuple[Runner, ...]:
    """Return the toolchain's own, and those that are modules in a built-in's folder."""
    package, _, name = type(toolchain).__module__.rpartition(".")
    if name != "toolchain" or not package.startswith(f"{_HERE}."):
        return tuple(toolchain.runners)
    folder = Path(*import_module(package).__path__)
    modules = (import_module(f"{package}.{path.stem}") for path in sorted(folder.glob("*.py")))
    beside = (module.RUNNER for module in modules if hasattr(module, "RUNNER"))
    return (*toolchain.runners, *beside)


@cache
def toolchain_of_programs() -> dict[str, str]:
    """Return the toolchain that each program belongs to, by names."""
    return {program: one.name for one in toolchains() for program in one.programs}


@cache
def manifest_patterns() -> tuple[str, ...]:
    """Return the patterns of the names of all manifests and lock files."""
    return tuple(p for one in toolchains() for p in (*one.manifests, *one.lock_files))


@cache
def installed_folders() -> frozenset[str]:
    """Return the names of the folders that installs make beside manifests."""
    return frozenset(name for one in toolchains() for name in one.installed)


@cache
def steering_files() -> tuple[str, ...]:
    """Return the patterns of the names of what tools obey, also where it lies above a project."""
    settings = (p for one in toolchains() for p in (*one.settings, *one.test_settings))
    sections = (name for one in toolchains() for name in one.test_sections)
    return (*manifest_patterns(), *installed_folders(), *settings, *sections, *_ABOVE)


def is_named(path: str, patterns: Collection[str]) -> bool:
    """Return whether the last part of ``path`` fits one of ``patterns``."""
    return _any_name(tuple(patterns)).match(path.rpartition("/")[2]) is not None


@cache
def _any_name(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return any_of(map(fnmatch.translate, patterns))


def any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """Return one expression for all of ``patterns``, which nothing fits when there are none."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)")


def _loaded(entry: EntryPoint) -> Toolchain:
    try:
        loaded: object = entry.load()
        made = loaded() if isinstance(loaded, type) else loaded
    except Exception as error:
        raise BadInput(
            f"the toolchain {entry.name!r} ({entry.value}) does not load: "
            f"{type(error).__name__}: {error}",
            field=ENTRY_POINTS,
            hint="fix or uninstall the package that brings it",
        ) from error
    wrong = None
    if not isinstance(made, Toolchain):
        wrong = "it is no subclass of autopack.toolchains.Toolchain"
    elif made.name != entry.name:
        wrong = f"its name is {made.name!r}, its entry point's {entry.name!r}"
    if wrong is not None or not isinstance(made, Toolchain):
        raise BadInput(
            f"{entry.value} is not a toolchain: {wrong}",
            field=ENTRY_POINTS,
            hint="fix or uninstall the package that brings it",
        )
    return made
