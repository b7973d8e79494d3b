"""PHPUnit."""

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
    number,
    without,
)

_SECTION = re.compile(r"^There (?:was|were) \d+ (?P<kind>[a-zA-Z ]+?)s?:$")
_ENTRY = re.compile(r"^\d+\) (?P<test>\S.*)$")
_STOPS = ("--stop-on-failure", "--stop-on-error", "--stop-on-defect", "--stop-on-warning")


class PhpUnit(Runner):
    name = "phpunit"
    programs = ("phpunit", "phpunit.phar")
    marker = re.compile(r"^Tests: \d+, Assertions: \d+", re.MULTILINE)
    red = (r"^(?:FAILURES|ERRORS)!$",)
    overrides = False  # no option undoes what phpunit.xml says
    opens = re.compile(
        r"^PHPUnit \d[\d.]* by Sebastian Bergmann[^\n]*\n+(?:Runtime: |[.FEWISRND]+$)", re.MULTILINE
    )
    closes = re.compile(r"^(?:OK\b|Tests: \d|No tests executed)", re.MULTILINE)

    def ask(self, argv: Command, report: Path) -> Command:
        return without(argv, *_STOPS)

    def results(self, told: Told) -> Results | None:
        failed, kind = list[str](), ""
        for line in told.output.splitlines():
            if found := _SECTION.match(line):
                kind = found["kind"]
            elif (found := _ENTRY.match(line)) and kind in ("failure", "error"):
                failed.append(found["test"])
        sums = re.findall(r"^Tests: \d+.*$", told.output, re.MULTILINE)
        if len(sums) != 1:
            return None
        wrong = sum(map(int, re.findall(r"\b(?:Errors|Failures): (\d+)", sums[0])))
        if not failed or len(set(failed)) != len(failed) or len(failed) != wrong:
            return None
        return Results(frozenset(failed), None, number(r"^Tests: (\d+)", told.output))


RUNNER = PhpUnit()
