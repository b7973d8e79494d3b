"""mypy: findings, each by its file and words."""

from __future__ import annotations

import re

from autopack.toolchains.runner import (
    Results,
    Runner,
    Told,
    number,
    numbered,
)

_FINDING = re.compile(r"^(?P<file>[^\s:].*?):\d+(?::\d+)?: error: (?P<words>.*)$", re.MULTILINE)


class Mypy(Runner):
    name = "mypy"
    finds = "types"
    programs = ("mypy", "dmypy")
    marker = re.compile(r"^Found \d+ errors? in \d+ files?", re.MULTILINE)
    red = (r"^Found [1-9]\d{0,6} errors? in \d{1,6} files?",)

    def results(self, told: Told) -> Results | None:
        if "errors prevented further checking" in told.output:
            return None
        failed = numbered(f"{file}: {words}" for file, words in _FINDING.findall(told.output))
        wrong = number(r"^Found (\d+) errors? in ", told.output)
        return Results(failed) if failed and len(failed) == wrong else None


RUNNER = Mypy()
