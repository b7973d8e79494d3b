"""cargo nextest."""

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
    without,
)

_FAILED = re.compile(
    r"^\s+(?:FAIL|SIG[A-Z]+|ABORT|TIMEOUT|LEAK-FAIL|TRY \d+ FAIL) \[\s*[\d.]+s\]"
    r" (?:\(\s*\d+/\d+\) )?(?P<test>\S.*)$",
    re.MULTILINE,
)
_SUMMARY = re.compile(
    r"^\s+Summary \[\s*[\d.]+s\]\s+(?P<ran>\d+)(?P<of>/\d+)? tests? run: (?P<counts>.*)$",
    re.MULTILINE,
)


class Nextest(Runner):
    name = "nextest"
    marker = re.compile(r"^\s+Summary \[\s*[\d.]+s\]\s+\d+(?:/\d+)? tests? run: ", re.MULTILINE)
    red = (
        r"^[ ]{1,16}Summary \[[ \d.]{1,12}s\][ ]{1,4}[\d/]{1,12} tests? run: [^\n]{0,80}"
        r"\b[1-9]\d{0,6} (?:failed|timed out)",
    )

    def starts(self, argv: Command) -> bool:
        return argv[:1] == ("cargo",) and "nextest" in argv[1:3]

    def ask(self, argv: Command, report: Path) -> Command:
        place = argv.index("run") + 1 if "run" in argv else len(argv)
        rest = without(argv[place:], "--fail-fast", "--no-fail-fast")
        return (*argv[:place], "--no-fail-fast", *rest)

    def results(self, told: Told) -> Results | None:
        summary = _SUMMARY.findall(told.output)
        if len(summary) != 1 or summary[0][1]:
            return None  # "2/5 tests run": it was cancelled
        counts = summary[0][2]
        wrong = sum(map(int, re.findall(r"(\d+) (?:failed|timed out|exec failed)", counts)))
        failed = frozenset(test.strip() for test in _FAILED.findall(told.output))
        if not failed or len(failed) != wrong:
            return None
        return Results(failed, None, int(summary[0][0]))


RUNNER = Nextest()
