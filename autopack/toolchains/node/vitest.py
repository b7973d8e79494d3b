"""Vitest."""

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

_FAILED = re.compile(r"^ FAIL  (.+ > .+)$", re.MULTILINE)
_SUMMARY = re.compile(r"^\s+Tests  (?P<counts>.*) \((?P<total>\d+)\)$", re.MULTILINE)
_LOST = re.compile(r"Failed Suites \d|Unhandled (?:Errors|Rejection)|^\s+Errors  \d", re.MULTILINE)


class Vitest(Runner):
    name = "vitest"
    programs = ("vitest",)
    marker = re.compile(r"^\s+Test Files  .*\(\d+\)$", re.MULTILINE)
    red = (r"^[ ]{1,8}Tests  [1-9]\d{0,6} failed", r"^[ ]{1,8}Test Files  [1-9]\d{0,6} failed")
    uncollected = (r"\bFailed Suites [1-9]",)

    def ask(self, argv: Command, report: Path) -> Command:
        return inserted(without(argv, "--bail"), self.programs, "--bail=0")

    def results(self, told: Told) -> Results | None:
        summary = list(_SUMMARY.finditer(told.output))
        if len(summary) != 1 or _LOST.search(told.output):
            return None
        total, counts = int(summary[0]["total"]), summary[0]["counts"]
        told_of = {word: int(count) for count, word in re.findall(r"(\d+) ([a-z]+)", counts)}
        failed = frozenset(name.strip() for name in _FAILED.findall(told.output))
        # After a bail-out the tests that it left alone are in the total only.
        if sum(told_of.values()) != total or len(failed) != told_of.get("failed", 0) or not failed:
            return None
        return Results(failed, None, total)


RUNNER = Vitest()
