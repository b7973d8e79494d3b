"""Playwright Test, as every reporter but the dot ends."""

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

_FAILED = re.compile(r"^  (\d+) failed\n((?:    \S.*\n?)+)", re.MULTILINE)
_LOST = re.compile(
    r"^  \d+ (?:did not run|interrupted)|^Testing stopped early"
    r"|errors? (?:was|were) not a part of any test",
    re.MULTILINE,
)


class Playwright(Runner):
    name = "playwright"
    programs = ("playwright",)
    marker = re.compile(r"^Running \d+ tests? using \d+ workers?$", re.MULTILINE)
    red = (r"^  [1-9]\d{0,6} failed$",)

    def ask(self, argv: Command, report: Path) -> Command:
        kept = without(argv, "-x", "--max-failures")
        place = kept.index("test") + 1 if "test" in kept else len(kept)
        return (*kept[:place], "--max-failures=0", *kept[place:])

    def results(self, told: Told) -> Results | None:
        ends = _FAILED.findall(told.output)
        if len(ends) != 1 or _LOST.search(told.output):
            return None
        names = [re.sub(r"[ ─]+$", "", line.strip()) for line in ends[0][1].splitlines()]
        failed = frozenset(re.sub(r":\d+:\d+ ›", " ›", name) for name in names)
        if len(failed) != int(ends[0][0]):
            return None
        count = sum(
            number(rf"^  (\d+) {word}", told.output) or 0
            for word in ("failed", "passed", "skipped", "flaky")
        )
        return Results(failed, None, count)


RUNNER = Playwright()
