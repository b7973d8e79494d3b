"""What a toolchain is: the one declaration of an ecosystem, and the values it answers with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autopack.model.causes import FailureCause
from autopack.model.commands import Command
from autopack.toolchains.log_lines import LogLines
from autopack.toolchains.runner import Runner
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
        """Return the inverse of ``dataclasses.asdict`` and a way through JSON, which has no
        tuples.
        """
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


@dataclass(frozen=True)
class Missed:
    """What a tool says when it finds no manifest where it looks.

    ``said`` is a regular expression, linear in the text, in which ``^`` is the beginning of a
    line. Where the tool names the file, ``{path}`` stands for it; where it does not,
    ``manifest`` does.
    """

    said: str
    manifest: str = ""


Sections = Callable[[bytes | None], Any]
"""What of a manifest's content (None: there is none) is about tests, to be compared."""


class Toolchain:
    """One ecosystem, declared once: everything else that Autopack knows of it asks this.

    A subclass needs a ``name``; each other field is empty until it says more. One whose ``find``
    finds nothing still has its results read, its tests protected and its caches kept out.
    """

    name: str = ""
    languages: Mapping[str, str] = {}
    """Languages it builds, and the endings of their sources: ``{"Python": "py pyi"}``."""
    programs: Collection[str] = ()
    """Commands that need its projects to be installed."""
    manifests: Collection[str] = ()
    """Patterns of names whose change makes a prepared environment stale."""
    lock_files: Collection[str] = ()
    """The same of lock files, which the fingerprint of a run takes in wherever they lie."""
    settings: Collection[str] = ()
    """Paths below a project's folder that may say that tests end at the first failure."""
    safe_commands: Sequence[Command] = ()
    """Beginnings of commands that a text may name for a check, since they only judge."""
    runners: Sequence[Runner] = ()
    """Who reads results; a built-in's are the modules with a ``RUNNER`` in its folder."""
    log_lines: LogLines = LogLines()
    """How lines of its logs look, for those who read logs in short."""
    missed: Sequence[Missed] = ()
    """By what its tools miss a manifest."""
    messages: Mapping[FailureCause, Mapping[str, str | None]] = {}
    """Messages that stand for a cause: a literal, and its expression where that is not all."""

    homes: Mapping[str, str] = {}
    """Variables that tell its tools their home, and the folder of the user's home it is in."""
    readable: Collection[str] = ()
    """Programs and packages in the user's home that confined programs may read."""
    index_settings: Collection[str] = ()
    """Files of the user's home that say where packages come from; only an install reads them."""
    caches: Mapping[str, str] = {}
    """Variables that move a cache, and its folder where a run has caches of its own."""
    variables: Sequence[str] = ()
    """Expressions of the variables, in capitals, that builders and checks may see."""
    misleading: Sequence[str] = ()
    """The same of variables that steer tools elsewhere or change what tests do: never passed."""
    index_variables: Sequence[str] = ()
    """The same of what a private package index asks for: passed to an install alone."""

    installed: Collection[str] = ()
    """Folders that an install makes beside the manifest."""
    generated: Collection[str] = ()
    """Patterns, as of a .gitignore, of what its tools leave and no change ever holds."""
    regenerated: Collection[str] = ()
    """The same of what every run of a tool makes anew, so that it may go."""
    test_files: Collection[str] = ()
    """Patterns of the names of tests."""
    test_settings: Collection[str] = ()
    """Patterns of the names of files that decide which tests run."""
    test_sections: Mapping[str, Sections] = {}
    """Manifests that hold more than tests, and how to read what is about those."""

    has_virtual_environment: bool = False
    """Whether a run gets a Python environment of its own for it."""
    build_judges: bool = True
    """Whether building a project tells anything about a change."""

    def find(self, tree: Tree, path: str) -> Found | None:
        """Return the project in the folder ``path`` of ``tree``, or None. Never raises on bad
        files.
        """
        del tree, path
        return None

    @classmethod
    def detects(cls) -> bool:
        """Return whether it finds projects at all."""
        return cls.find is not Toolchain.find


def _commands(stored: Iterable[Iterable[str]]) -> tuple[Command, ...]:
    return tuple(tuple(argv) for argv in stored)
