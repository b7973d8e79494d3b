"""Which projects of a repository a run installs: those its checks need, and what may fail."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autopack.toolchains import Command, Detected
from autopack.toolchains.detect import USED_FROM
from autopack.toolchains.toolchain_registry import toolchain_of_programs

_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "env"})


@dataclass(frozen=True)
class Needed:
    """A project to install; when it is not ``required``, what fails there is a warning."""

    project: Detected
    required: bool


def needed(
    detected: Sequence[Detected], checks: Iterable[Command], *, inferred: bool
) -> list[Needed]:
    """Return what to install for phases with ``checks``, and for others whose are ``inferred``.

    A check that names a language's program needs the projects of that language; inferred ones
    need what they judge. Where some check's program tells nothing (``make test``), every project
    is installed, and those that nothing is known to need may fail.
    """
    used = [one for one in detected if one.confidence >= USED_FROM]
    commands = list(checks)
    languages = {name for argv in commands for name in _languages(argv)}
    blind = not inferred and (not languages or any(not _languages(argv) for argv in commands))
    found: list[Needed] = []
    for one in used:
        judged = inferred and bool(one.test or one.build)
        named = one.name in languages and _is_named(one, used, commands)
        if judged or named:
            found.append(Needed(one, required=True))
        elif inferred or blind or one.name in languages:
            found.append(Needed(one, required=False))
    return found


def _is_named(one: Detected, used: Sequence[Detected], commands: Sequence[Command]) -> bool:
    """Return whether a check of its language means this project: the root's, the only one, or by
    path.
    """
    rivals = [other for other in used if other.name == one.name]
    if one.path == "." or len(rivals) == 1:
        return True
    return any(one.path in word for argv in commands for word in argv)


def _languages(argv: Command) -> set[str]:
    """Return the languages whose programs a command starts, through a shell as well."""
    words = [argv[0]]
    if argv[0].rpartition("/")[2] in _SHELLS:
        words = [found for word in argv[1:] for found in re.findall(r"[\w./-]+", word)]
    names = (word.rpartition("/")[2].removesuffix(".exe") for word in words)
    known = toolchain_of_programs()
    return {known[name] for name in names if name in known}
