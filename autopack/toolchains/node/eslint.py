"""ESLint's stylish output: findings, each by its file, rule and words."""

from __future__ import annotations

import re

from autopack.toolchains.runner import (
    Results,
    Runner,
    Told,
    number,
    numbered,
)

_FINDING = re.compile(r"^\s+\d+:\d+\s+error\s+(?P<words>\S.*)$")


class Eslint(Runner):
    name = "eslint"
    finds = "style"
    programs = ("eslint",)
    marker = re.compile(r"^✖ \d+ problems? \(\d+ errors?, \d+ warnings?\)", re.MULTILINE)
    red = (r"^✖ \d{1,7} problems? \([1-9]\d{0,6} errors?, ",)

    def results(self, told: Told) -> Results | None:
        if "Parsing error:" in told.output:
            return None  # the rest of that file was not looked at
        file, found = "", list[str]()
        for line in told.output.splitlines():
            if finding := _FINDING.match(line):
                found.append(f"{file}: {' '.join(finding['words'].split())}")
            elif line and not line[0].isspace():
                file = line
        wrong = number(r"^✖ \d+ problems? \((\d+) errors?, ", told.output)
        return Results(numbered(found)) if found and len(found) == wrong else None


RUNNER = Eslint()
