"""Mocha, as its spec and dot reporters end."""

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
    number,
    without,
)

_END = re.compile(r"^  (\d+) failing$", re.MULTILINE)
_ENTRY = re.compile(r"^  \d+\) (.*)$")
_ECHO = re.compile(r"^> .*\bmocha\b", re.MULTILINE)
_TICK = re.compile(r"^ {2,}[✔✓] ", re.MULTILINE)
_PASSING = re.compile(r"^  \d+ (?:passing|pending|failing)\b", re.MULTILINE)
_HOOK = re.compile(r'"(?:before|after)(?: each| all)?" hook')


class Mocha(Runner):
    name = "mocha"
    programs = ("mocha", "_mocha")
    variables = {"MOCHA_OPTIONS": "--no-bail"}
    marker = re.compile(r"^  \d+ passing \(.+\)$", re.MULTILINE)
    red = (r"^[ ]{0,8}\d{1,6} failing$",)

    def ask(self, argv: Command, report: Path) -> Command:
        return inserted(without(argv, "--bail", "-b"), self.programs, "--no-bail")

    def broke_off(self, told: Told) -> bool:
        """Its name tells its ticks from those of others, also where a script has called it."""
        named = self.starts(told.argv) or _ECHO.search(told.output)
        return bool(named and _TICK.search(told.output) and not _PASSING.search(told.output))

    def results(self, told: Told) -> Results | None:
        ends = list(_END.finditer(told.output))
        if len(ends) != 1:
            return None
        failed = _entries(told.output[ends[0].end() :])
        if len(failed) != int(ends[0][1]) or any(_HOOK.search(name) for name in failed):
            return None  # a hook that fails takes its tests with it
        count = sum(
            number(rf"^  (\d+) {word}", told.output) or 0
            for word in ("passing", "pending", "failing")
        )
        return Results(frozenset(failed), None, count)


def _entries(text: str) -> list[str]:
    """Return the titles below "N failing", one line for each level, the last one with a colon."""
    found: list[str] = []
    title: list[str] | None = None
    for line in text.splitlines():
        if entry := _ENTRY.match(line):
            title = [entry[1].strip()]
        elif title is not None:
            if not line.strip():
                title = None
                continue
            title.append(line.strip())
        if title and title[-1].endswith(":"):
            found.append(" > ".join(title)[:-1])
            title = None
    return found


RUNNER = Mocha()
