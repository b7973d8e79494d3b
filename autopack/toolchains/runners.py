"""What the runners of all toolchains say: their results, and by what a red run is told.

To add one, add a module with a ``RUNNER`` to the folder of its toolchain; see ``runner.Runner``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import dropwhile
from pathlib import Path, PurePosixPath

from autopack.files import safe_files
from autopack.model.commands import Command
from autopack.model.excerpt import plain
from autopack.toolchains.runner import Finds, Results, Runner, Told
from autopack.toolchains.toolchain_registry import runners, toolchains

__all__ = [
    "Results",
    "Runner",
    "Told",
    "ask",
    "ask_scripts",
    "broken_off",
    "may_stop_early",
    "read_results",
    "readable",
    "runners",
    "saying",
]


def ask(argv: Command, report: Path) -> Command:
    """Return the command, made to tell of every test and not to stop at a failure."""
    called = _called(argv)
    return argv if called is None else called.ask(argv, report)


def read_results(told: Told) -> Results | None:
    """Return the whole account that a failed command gave of its tests; None without one.

    Where a script called the runner, it is found by what it printed, and not believed when two
    of them are, or when the project's settings may have ended its tests early.
    """
    told = replace(told, output=plain(told.output))
    called = _called(told.argv)
    if called is not None:
        if not called.overrides and may_stop_early(told.folder):
            return None
        results = called.results(told)
        if results is not None or not called.speaks_for_others:
            return results
    if may_stop_early(told.folder):
        return None
    found = [each for each in runners() if each.marker and each.marker.search(told.output)]
    return found[0].results(told) if len(found) == 1 else None


def broken_off(told: Told) -> str | None:
    """Return the runner whose tests did not run to their end although its command succeeded."""
    told = replace(told, argv=_unwrapped(told.argv), output=plain(told.output))
    return next((each.name for each in runners() if each.broke_off(told)), None)


def _unwrapped(argv: Command) -> Command:
    """Return the one program that a ``sh -c`` runs; the command itself where there are several."""
    shell = len(argv) == 3 and PurePosixPath(argv[0]).name in _SHELLS and argv[1].endswith("c")
    if not shell or _SEVERAL.search(argv[2]):
        return argv
    try:
        words = shlex.split(argv[2])
    except ValueError:
        return argv
    return tuple(dropwhile(_ASSIGNMENT.fullmatch, words)) or argv


_SHELLS = frozenset(("sh", "bash", "dash", "zsh"))
_SEVERAL = re.compile(r"[;&|<>$`\n(){}]")
_ASSIGNMENT = re.compile(r"\w+=.*|exec", re.DOTALL)


def ask_scripts() -> dict[str, str]:
    """Return the variables by which a runner that a script calls is told not to stop early."""
    return {name: value for each in runners() for name, value in each.variables.items()}


def readable(argv: Command, output: str) -> str:
    """Return ``output`` as a person reads it."""
    called = _called(argv)
    return output if called is None else called.readable(output)


def _called(argv: Command) -> Runner | None:
    return next((each for each in runners() if each.starts(argv)), None)


@cache
def saying(what: str, finds: Finds = "tests") -> re.Pattern[str]:
    """Return the lines that are ``red``, ``uncollected`` or ``unbuilt`` of runners of one kind."""
    ours = [each for each in runners() if each.finds == finds]
    parts = [part for each in ours for part in getattr(each, what)]
    return re.compile("|".join(f"(?:{part})" for part in parts), re.MULTILINE)


_EARLY = re.compile(
    r"\bbail\b(?!['\"]?\s*[:=]\s*(?:0|false))|\bfail[-_]?fast\b(?!['\"]?\s*[:=]\s*false)"
    r"|\bmax-?fail(?:ures)?\b(?!['\"]?\s*[:=]\s*0)|\bexitfirst\b|\bpytest\b[^\n]{0,200}\s-x\b"
    r"|\baddopts\b[^\n]{0,200}[\s'\"]-x\b|\bstepwise\b|\bskipAfterFailureCount\b"
    r"|\bstop-?on-?(?:fail|failure|error|defect|warning|risky)\b(?!['\"]?\s*[:=]\s*['\"]?false)",
    re.IGNORECASE,
)
_BUILD_FILES = (
    "Makefile", "makefile", "GNUmakefile", "justfile", "Justfile", "Taskfile.yml",
)  # fmt: skip
_MOST = 256 * 1024
_MOST_PLACES = 100


def may_stop_early(folder: Path | None) -> bool:
    """Return whether a project's own settings speak of ending its tests at a failure.

    Of a run that was not asked to go on, such a project's account cannot be believed.
    """
    if folder is None:
        return False
    names = {*_BUILD_FILES, *(n for one in toolchains() for n in one.settings)}
    return any(_speaks_of_it(place / name) for place in _places(folder) for name in names)


def _places(folder: Path) -> Iterator[Path]:
    """Yield a project's folder and those in it, where parts of it have settings of their own."""
    yield folder
    inside = [folder / name for name in safe_files.names(folder) if not name.startswith(".")]
    yield from (place for place in inside[:_MOST_PLACES] if safe_files.is_folder(place))


def _speaks_of_it(file: Path) -> bool:
    try:
        return _EARLY.search(safe_files.read_text(file, most=_MOST)) is not None
    except OSError:
        return False
