"""Jest."""

from __future__ import annotations

import re
from pathlib import Path

from autopack.model.commands import (
    Command,
)
from autopack.toolchains.runner import (
    Results,
    Runner,
    Told,
    inserted,
    without,
)

_SUMMARY = re.compile(r"^Tests:\s+(.*?)(?P<total>\d+) total$", re.MULTILINE)
_NOT_ALL = re.compile(
    r"^Test Suites:.*\b\d+ of \d+ total$|● Test suite failed to run", re.MULTILINE
)


class Jest(Runner):
    name = "jest"
    programs = ("jest",)
    marker = re.compile(r"^Test Suites: .*\btotal$", re.MULTILINE)
    red = (r"^Tests:[ ]{1,10}[1-9]\d{0,6} failed",)
    uncollected = (r"^[ ]{0,8}● Test suite failed to run",)
    opens = re.compile(r"^\s*●\s+process\.exit called with", re.MULTILINE)
    closes = re.compile(r"(?!)")  # other workers may have summed up

    def ask(self, argv: Command, report: Path) -> Command:
        return inserted(without(argv, "--bail", "-b"), self.programs, "--bail=0")

    def results(self, told: Told) -> Results | None:
        output = told.output
        summary = list(_SUMMARY.finditer(output))
        if len(summary) != 1 or _NOT_ALL.search(output):
            return None
        wrong = re.search(r"(\d+) failed", summary[0][1])
        failed: set[str] = set()
        file = ""
        for line in output.splitlines():
            if found := re.match(r"(?:FAIL|PASS) (?:\S+ )*?(\S+\.\w+)(?: \([\d.]+ m?s\))?$", line):
                file = found[1].removeprefix("./")
            elif (found := re.match(r"  ● (.+)$", line)) and found[1] != "Console":
                failed.add(f"{file} › {found[1]}")
        if not failed or wrong is None or len(failed) != int(wrong[1]):
            return None
        return Results(frozenset(failed), None, int(summary[0]["total"]))


RUNNER = Jest()
