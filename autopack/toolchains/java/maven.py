"""Maven with Surefire or Failsafe."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from autopack.model.commands import (
    Command,
)
from autopack.toolchains.runner import (
    Results,
    Runner,
    Told,
    numbered,
)

_ENTRY = re.compile(
    r"^\[ERROR\] (?P<test>(?!Tests run:)\S.*?)(?: -- Time| +Time) elapsed: [\d.,]+ s"
    r" +<<< (?:FAILURE|ERROR)!",
    re.MULTILINE,
)
_SUMS = re.compile(
    r"^\[(?:ERROR|WARNING|INFO)\] Tests run: (\d+), Failures: (\d+), Errors: (\d+),"
    r" Skipped: \d+\s*$",
    re.MULTILINE,
)
_LOST = re.compile(
    r"COMPILATION ERROR|The forked VM terminated|\.+ SKIPPED\b|^\[ERROR\] \[ERROR\] "
    r"|Tests are skipped after",
    re.MULTILINE,
)


class Maven(Runner):
    name = "maven"
    marker = re.compile(r"^\[(?:ERROR|WARNING|INFO)\] Tests run: \d+, Failures: ", re.MULTILINE)
    red = (r"\bTests run: \d{1,7}, Failures: (?!0, Errors: 0)",)
    unbuilt = (r"^\[ERROR\] COMPILATION ERROR",)

    def starts(self, argv: Command) -> bool:
        return bool(argv) and PurePosixPath(argv[0]).name in ("mvn", "mvnw", "mvnw.cmd", "mvn.cmd")

    def ask(self, argv: Command, report: Path) -> Command:
        """A module that fails must not keep the others from running."""
        return (*argv, "--fail-at-end", "-Dsurefire.skipAfterFailureCount=0")

    def results(self, told: Told) -> Results | None:
        sums = [tuple(map(int, each)) for each in _SUMS.findall(told.output)]
        failed = numbered(_ENTRY.findall(told.output))
        wrong = sum(failures + errors for _, failures, errors in sums)
        if _LOST.search(told.output) or not failed or len(failed) != wrong:
            return None
        return Results(failed, None, sum(count for count, _, _ in sums))


RUNNER = Maven()
