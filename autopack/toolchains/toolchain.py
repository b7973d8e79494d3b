"""What a toolchain is: the protocol each language implements, and the values it answers with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from autopack.model.commands import Command
from autopack.toolchains.tree import Tree


@dataclass(frozen=True)
class Detected:
    """One project that one tool manages.

    ``name`` is the language, ``manager`` the tool, ``path`` its folder (posix, relative to the
    repository, "." for the root). ``confidence`` is 0 to 1; ``evidence`` says why, for people.
    The commands run in ``path``, in the environment of the run. ``manifests`` are the files
    (relative to the repository) whose change makes a prepared environment stale;
    ``without_manager`` installs the project where its manager is not to be had.
    """

    name: str
    manager: str
    path: str
    confidence: float
    evidence: tuple[str, ...]
    install: tuple[Command, ...] = ()
    build: tuple[Command, ...] = ()
    test: tuple[Command, ...] = ()
    manifests: tuple[str, ...] = ()
    without_manager: tuple[Command, ...] = ()

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Detected:
        """The inverse of ``dataclasses.asdict`` and a way through JSON, which has no tuples."""
        return cls(
            name=stored["name"],
            manager=stored["manager"],
            path=stored["path"],
            confidence=stored["confidence"],
            evidence=tuple(stored["evidence"]),
            install=_commands(stored["install"]),
            build=_commands(stored["build"]),
            test=_commands(stored["test"]),
            manifests=tuple(stored["manifests"]),
            without_manager=_commands(stored["without_manager"]),
        )


@dataclass(frozen=True)
class Found:
    """A project, and which folders below it belong to it rather than stand alone.

    ``members`` are glob patterns relative to the project ("packages/*", "**" for all of them);
    ``excluded`` patterns win over them.
    """

    detected: Detected
    members: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


class Toolchain(Protocol):
    """One language: says whether a folder holds a project of it, and how to work with it."""

    name: str

    def find(self, tree: Tree, path: str) -> Found | None:
        """The project in the folder ``path`` of ``tree``, or None. Never raises on bad files."""
        ...


def _commands(stored: Iterable[Iterable[str]]) -> tuple[Command, ...]:
    return tuple(tuple(argv) for argv in stored)
