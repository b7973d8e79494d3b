"""pyright and basedpyright: findings, each by its file and words."""

from __future__ import annotations

import re

from autopack.toolchains.runner import (
    Results,
    Runner,
    Told,
    number,
    numbered,
)

_FINDING = re.compile(r"^\s+(?P<file>\S.*?):\d+:\d+ - error: (?P<words>.*)$", re.MULTILINE)


class Pyright(Runner):
    name = "pyright"
    finds = "types"
    programs = ("pyright", "basedpyright")
    marker = re.compile(r"^\d+ errors?, \d+ warnings?, \d+ (?:informations?|notes?)", re.MULTILINE)
    red = (r"^[1-9]\d{0,6} errors?, \d{1,7} warnings?, \d{1,7} (?:informations?|notes?)",)

    def results(self, told: Told) -> Results | None:
        failed = numbered(f"{file}: {words}" for file, words in _FINDING.findall(told.output))
        wrong = number(r"^(\d+) errors?, \d+ warnings?, ", told.output)
        return Results(failed) if failed and len(failed) == wrong else None


RUNNER = Pyright()
