"""The TypeScript compiler: findings, each by its file and words."""

from __future__ import annotations

import re

from autopack.toolchains.runner import (
    Results,
    Runner,
    Told,
    number,
    numbered,
)

_FINDING = re.compile(
    r"^(?P<file>[^\s(:].*?)(?:\(\d+,\d+\): |:\d+:\d+ - )error (?P<code>TS\d+): (?P<words>.*)$",
    re.MULTILINE,
)


class Tsc(Runner):
    name = "tsc"
    finds = "types"
    programs = ("tsc", "vue-tsc")
    marker = re.compile(r"^\S.*(?:\(\d+,\d+\): |:\d+:\d+ - )error TS\d+: ", re.MULTILINE)
    red = (r"^[^\s(:][^\n(:]{0,300}(?:\(\d{1,7},\d{1,7}\): |:\d{1,7}:\d{1,7} - )error TS\d{1,6}: ",)

    def results(self, told: Told) -> Results | None:
        found = _FINDING.findall(told.output)
        if any(re.fullmatch(r"TS1\d{3}", code) for _, code, _ in found):
            return None  # what cannot be parsed is not checked
        failed = numbered(f"{file}: {code} {words}" for file, code, words in found)
        wrong = number(r"^Found (\d+) errors?", told.output)
        is_pretty = " - error TS" in told.output
        ended = wrong == len(failed) if is_pretty else wrong is None
        return Results(failed) if failed and ended else None


RUNNER = Tsc()
