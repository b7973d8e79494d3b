"""What every reader of a test runner's results shares: the protocol, and reading text.

A runner's account is used only when it is whole. ``results`` gives None when the run broke off,
when something was not built or collected, and when the names that were read are not as many as
the runner says have failed: a reader that misunderstands must not excuse a failure.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from autopack.model.commands import (
    Command,
)

Finds = Literal["tests", "types", "style"]

LAUNCHERS = frozenset(
    [
        "npx",
        "bunx",
        "pnpx",
        "npm",
        "pnpm",
        "yarn",
        "exec",
        "dlx",
        "run",
        "x",
        "uv",
        "uvx",
        "poetry",
        "pdm",
        "pipenv",
        "hatch",
        "rye",
        "pixi",
        "conda",
        "python",
        "python3",
        "py",
        "-m",
        "bundle",
        "dotnet",
        "xvfb-run",
        "coverage",
        "--",
        "--no",
        "--yes",
        "-y",
        "-q",
    ]
)
"""Words that may stand before the name of the program that a command really runs."""


@dataclass(frozen=True)
class Told:
    """What a command left: its words, its exit status, all it printed, and its report's file.

    ``output`` has no escape codes; ``folder`` is where it ran, None where that is not known.
    """

    argv: Command
    status: int | None
    output: str
    report: Path
    folder: Path | None = None


@dataclass(frozen=True)
class Results:
    """A whole account of one run of tests.

    ``failed``: the tests that failed. ``ran``: every test that has a result, also one that was
    skipped; None where the runner does not name them. ``count``: how many results there are;
    None where that is not known, or where fewer are no loss, as of a linter's findings.
    """

    failed: frozenset[str]
    ran: frozenset[str] | None = None
    count: int | None = None


class Runner(ABC):
    """One test runner, linter or type checker, by what it prints.

    A runner is a module with a ``RUNNER`` in the folder of its toolchain. ``programs``: the
    names by which a command calls it. ``marker``: a line that only it prints. ``red``: lines
    that say that tests failed, ``uncollected`` that tests could not be loaded, ``unbuilt`` that
    nothing was compiled; each is a part of a regular expression in which ``^`` is the beginning
    of a line. ``finds``: whether it runs tests, checks types or looks at style. ``overrides``:
    whether ``ask`` makes it go on after a failure whatever its project says. ``variables`` do
    the same where a script calls it. ``speaks_for_others``: whether it may print what another
    runner is known for. ``opens`` is a line that a run begins with, ``closes`` the one that it
    ends with, where both are always printed.
    """

    name: str = ""
    programs: Collection[str] = ()
    marker: re.Pattern[str] | None = None
    red: Sequence[str] = ()
    uncollected: Sequence[str] = ()
    unbuilt: Sequence[str] = ()
    finds: Finds = "tests"
    overrides: bool = True
    variables: Mapping[str, str] = {}
    speaks_for_others: bool = False
    opens: re.Pattern[str] | None = None
    closes: re.Pattern[str] | None = None

    def starts(self, argv: Command) -> bool:
        """Return whether the command calls this runner itself, and not through a script."""
        return place_of(argv, self.programs) is not None

    def ask(self, argv: Command, report: Path) -> Command:
        """Return the command, made to tell of every test and not to stop at a failure."""
        del report
        return argv

    @abstractmethod
    def results(self, told: Told) -> Results | None:
        """Return the whole account that the run gave; None when it gave none."""

    def broke_off(self, told: Told) -> bool:
        """Return whether a run that succeeded ended before its tests did.

        What is tested may leave the process, with status 0 (``os._exit``, ``process.exit``,
        ``die``): the tests that were still to come are then not seen to fail.
        """
        if self.opens is None or self.closes is None:
            return False
        return len(self.opens.findall(told.output)) > len(self.closes.findall(told.output))

    def readable(self, output: str) -> str:
        """Return ``output`` as a person reads it."""
        return output


def place_of(argv: Command, programs: Collection[str]) -> int | None:
    """Return where in a command the first of ``programs`` is called; None when it is not."""
    for place, word in enumerate(argv):
        path = PurePosixPath(word)
        if path.name in programs or (path.suffix in (".js", ".exe") and path.stem in programs):
            return place
        if place and word.startswith("-"):
            continue
        if path.name not in LAUNCHERS and not path.name.startswith("python"):
            return None
    return None


def inserted(argv: Command, programs: Collection[str], *options: str) -> Command:
    """Return the command with ``options`` right after the name of its program."""
    place = place_of(argv, programs)
    if place is None:
        return argv
    return (*argv[: place + 1], *options, *argv[place + 1 :])


def without(argv: Command, *options: str) -> Command:
    """Return the command without ``options``, also where they carry a value after ``=``."""
    return tuple(word for word in argv if word.partition("=")[0] not in options)


def number(pattern: str, text: str) -> int | None:
    """Return the first group of the last match as a number; None when there is no match."""
    found = re.findall(pattern, text, re.MULTILINE)
    return int(found[-1]) if found else None


def total(pattern: str, text: str) -> int:
    """Return the sum of the first groups of all matches."""
    return sum(int(each) for each in re.findall(pattern, text, re.MULTILINE))


def numbered(names: Iterable[str]) -> frozenset[str]:
    """Return the names, those that repeat told apart by their number."""
    seen: Counter[str] = Counter()
    told: set[str] = set()
    for name in names:
        seen[name] += 1
        told.add(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return frozenset(told)


def without_places(name: str) -> str:
    """Return a test's name without lines and columns, which move when a file is edited."""
    return re.sub(r":\d+(?::\d+)?(?=\s|$)", "", name).strip()
