"""What the runners of all toolchains say: their results, and by what a red run is told.

To add one, add a module with a ``RUNNER`` to the folder of its toolchain; see ``runner.Runner``.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

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
    told = Told(told.argv, told.status, plain(told.output), told.report, told.folder)
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
    r"|\bstop-?on-?(?:failure|error|defect)\b(?!['\"]?\s*[:=]\s*['\"]?false)",
    re.IGNORECASE,
)
_BUILD_FILES = (
    "Makefile", "makefile", "GNUmakefile", "justfile", "Justfile", "Taskfile.yml",
)  # fmt: skip
_MOST = 256 * 1024


def may_stop_early(folder: Path | None) -> bool:
    """Return whether a project's own settings speak of ending its tests at a failure.

    Of a run that was not asked to go on, such a project's account cannot be believed.
    """
    if folder is None:
        return False
    for name in (*_BUILD_FILES, *(n for one in toolchains() for n in one.settings)):
        try:
            text = safe_files.read_text(folder / name, most=_MOST)
        except OSError:
            continue
        if _EARLY.search(text):
            return True
    return False
