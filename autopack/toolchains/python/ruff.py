"""ruff check: findings, each by its file, rule and words."""

from __future__ import annotations

import re

from autopack.toolchains.runner import (
    Results,
    Runner,
    Told,
    number,
    numbered,
)

_CONCISE = re.compile(
    r"^(?P<file>\S.*?):\d+:\d+: (?P<code>[A-Z]+\d+|invalid-syntax:?) (?:\[\*\] )?(?P<words>.*)$",
    re.MULTILINE,
)
_FULL = re.compile(
    r"^(?P<code>[A-Z]+\d+|invalid-syntax:?) (?:\[\*\] )?(?P<words>.*)\n"
    r"\s+--> (?P<file>.+?):\d+:\d+$",
    re.MULTILINE,
)


class Ruff(Runner):
    name = "ruff"
    finds = "style"
    programs = ("ruff",)
    marker = re.compile(r"^Found \d+ errors?(?: \(|\.)", re.MULTILINE)
    red = (r"^Found [1-9]\d{0,6} errors?(?: \([^\n]{1,80}\))?\.$",)

    def results(self, told: Told) -> Results | None:
        found = [f"{file}: {code} {words}" for file, code, words in _CONCISE.findall(told.output)]
        found += [f"{file}: {code} {words}" for code, words, file in _FULL.findall(told.output)]
        if any("invalid-syntax" in each for each in found):
            return None
        wrong = number(r"^Found (\d+) errors?", told.output)
        return Results(numbered(found)) if found and len(found) == wrong else None


RUNNER = Ruff()
