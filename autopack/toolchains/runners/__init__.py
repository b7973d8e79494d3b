"""Test runners, linters and type checkers by what they print: one file each.

To add one, add a module with a ``RUNNER`` to the folder of its ecosystem, or here where Autopack
knows no more of that; see ``runner.Runner``.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path

from autopack import toolchains
from autopack.model.commands import (
    Command,
)
from autopack.process.excerpt import plain
from autopack.toolchains.runner import (
    Finds,
    Results,
    Runner,
    Told,
    may_stop_early,
)

__all__ = ["Results", "Runner", "Told", "ask", "read_results", "readable", "runners", "saying"]


@cache
def runners() -> tuple[Runner, ...]:
    """Return every runner, by its module's name: that of an ecosystem lies in its folder."""
    folders = [Path(folder) for folder in toolchains.__path__]
    names = {
        path.stem: ".".join([toolchains.__name__, *path.relative_to(folder).with_suffix("").parts])
        for folder in folders
        for path in folder.glob("*/*.py")
    }
    modules = (import_module(names[stem]) for stem in sorted(names))
    return tuple(module.RUNNER for module in modules if hasattr(module, "RUNNER"))


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
        # A runner may print what another one is known for, like node's TAP.
        if results is not None or called.name != "node --test":
            return results
    if may_stop_early(told.folder):
        return None
    found = [each for each in runners() if each.marker and each.marker.search(told.output)]
    return found[0].results(told) if len(found) == 1 else None


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
