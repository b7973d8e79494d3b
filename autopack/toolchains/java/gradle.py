"""Gradle, by the test events that it prints."""

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

_FAILED = re.compile(r"^(?P<test>\S.* > .+) FAILED$", re.MULTILINE)
_SUMS = re.compile(r"^(\d+) tests? completed, (\d+) failed", re.MULTILINE)
_LOST = re.compile(
    r"Execution failed for task '[^']*:compile|^> Task \S*:compile\S+ FAILED|^Could not resolve"
    r"|Process 'Gradle Test Executor \d+' finished with non-zero",
    re.MULTILINE,
)


class Gradle(Runner):
    name = "gradle"
    marker = re.compile(r"^\d+ tests? completed, \d+ failed|^> Task \S*:test FAILED$", re.MULTILINE)
    red = (r"^\d{1,7} tests? completed, [1-9]\d{0,6} failed", r"^> Task \S{0,80}:test FAILED$")
    unbuilt = (r"^> Task \S{0,80}:compile\w{1,40} FAILED$",)

    overrides = False  # no option undoes a build's own failFast

    def starts(self, argv: Command) -> bool:
        return bool(argv) and PurePosixPath(argv[0]).name in ("gradle", "gradlew", "gradlew.bat")

    def ask(self, argv: Command, report: Path) -> Command:
        """A module that fails must not keep the others from running."""
        return argv if "--continue" in argv else (*argv, "--continue")

    def results(self, told: Told) -> Results | None:
        sums = _SUMS.findall(told.output)
        failed = numbered(_FAILED.findall(told.output))
        if _LOST.search(told.output) or len(failed) != sum(int(wrong) for _, wrong in sums):
            return None
        return Results(failed, None, sum(int(count) for count, _ in sums)) if failed else None


RUNNER = Gradle()
