"""Which language a repository is mainly written in, by the size of its sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from autopack.toolchains.beside import is_beside
from autopack.toolchains.toolchain_registry import toolchains
from autopack.toolchains.tree import Tree, join

_WITHOUT_TOOLCHAIN = {
    "Erlang": "erl hrl",
    "Swift": "swift",
    "Objective-C": "m mm",
    "Lua": "lua",
    "Haskell": "hs lhs",
    "OCaml": "ml mli",
    "Clojure": "clj cljs cljc",
    "Dart": "dart",
    "R": "r",
    "Julia": "jl",
    "Zig": "zig",
    "Nim": "nim",
    "Crystal": "cr",
    "D": "d",
    "shell": "sh bash zsh",
    "PowerShell": "ps1 psm1",
    "Fortran": "f f90 f95 f03",
    "Solidity": "sol",
    "Gleam": "gleam",
}
_MOST_FILES = 20_000
_LARGEST = 512 * 1024
"""A larger source file was generated."""

SMALL = 0.2
"""The share of the sources below which a language is beside the main one."""


@dataclass(frozen=True)
class Languages:
    """The share of each language in the sources, 0 to 1; empty without any source."""

    shares: Mapping[str, float]

    @property
    def main(self) -> str | None:
        """The language of most of the sources."""
        return max(self.shares, key=lambda name: self.shares[name], default=None)

    @property
    def unsupported(self) -> str | None:
        """The main language, when Autopack has no toolchain for it."""
        built = {name for one in toolchains() if one.detects() for name in one.languages}
        return None if self.main in (None, *built) else self.main

    def without(self, found: Iterable[str]) -> str | None:
        """Return the main language, when it is none of those of the toolchains ``found``."""
        names = set(found)
        covered = {name for one in toolchains() if one.name in names for name in one.languages}
        # Deno's are Node's: it declares none of its own.
        bare = any(one.name in names and not one.languages for one in toolchains())
        return None if bare or self.main in (None, *covered) else self.main

    def share_of(self, toolchain: str) -> float:
        """Return the share of the sources that a toolchain builds."""
        names = [name for one in toolchains() if one.name == toolchain for name in one.languages]
        return sum(self.shares.get(name, 0.0) for name in names)


@cache
def endings() -> Mapping[str, str]:
    """Return the language that each ending of a source file stands for."""
    known = dict(_WITHOUT_TOOLCHAIN)
    for one in toolchains():
        known |= one.languages
    return {ending: name for name, listed in known.items() for ending in listed.split()}


def languages_of(tree: Tree) -> Languages:
    """Measure the sources of ``tree``, but those among tests' data, examples and documentation."""
    sizes: defaultdict[str, int] = defaultdict(int)
    for number, (language, size) in enumerate(_sources(tree)):
        if number >= _MOST_FILES:
            break
        sizes[language] += size
    total = sum(sizes.values())
    return Languages({name: size / total for name, size in sizes.items()} if total else {})


def _sources(tree: Tree) -> Iterator[tuple[str, int]]:
    known = endings()
    for folder in tree.folders.values():
        if is_beside(folder.path, but=("test", "tests")):
            continue
        for name in folder.files:
            stem, _, ending = name.rpartition(".")
            language = known.get(ending.lower())
            if language is None or stem.endswith(".min") or not stem:
                continue
            size = tree.size(join(folder.path, name))
            if 0 < size <= _LARGEST:
                yield language, size
