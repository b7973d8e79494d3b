"""Which language a repository is mainly written in, by the size of its sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autopack.toolchains.beside import is_beside
from autopack.toolchains.tree import Tree, join

_ENDINGS: Mapping[str, str] = {
    ending: language
    for language, endings in {
        "Python": "py pyx pyi",
        "JavaScript": "js jsx mjs cjs ts tsx mts cts vue svelte astro",
        "Go": "go",
        "Rust": "rs",
        "Java": "java kt kts groovy scala",
        "PHP": "php phtml",
        "Ruby": "rb rake",
        "C or C++": "c h cc cpp cxx hh hpp hxx inl",
        "Elixir": "ex exs",
        "Erlang": "erl hrl",
        ".NET": "cs fs vb",
        "Swift": "swift",
        "Objective-C": "m mm",
        "Perl": "pl pm t",
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
    }.items()
    for ending in endings.split()
}
_TOOLCHAIN_OF = {
    "Python": "python",
    "JavaScript": "node",
    "Go": "go",
    "Rust": "rust",
    "Java": "java",
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
        return None if self.main in (None, *_TOOLCHAIN_OF) else self.main

    def share_of(self, toolchain: str) -> float:
        """The share of the sources that a toolchain builds."""
        names = [language for language, name in _TOOLCHAIN_OF.items() if name == toolchain]
        return sum(self.shares.get(name, 0.0) for name in names)


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
    for folder in tree.folders.values():
        if is_beside(folder.path, but=("test", "tests")):
            continue
        for name in folder.files:
            stem, _, ending = name.rpartition(".")
            language = _ENDINGS.get(ending.lower())
            if language is None or stem.endswith(".min") or not stem:
                continue
            size = tree.size(join(folder.path, name))
            if 0 < size <= _LARGEST:
                yield language, size
