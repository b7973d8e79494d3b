"""CTest."""

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

_ENTRY = re.compile(r"^\t\s*\d+ - (?P<test>.+) \((?P<how>[^()]+)\)(?: .*)?$", re.MULTILINE)
_RESULT = re.compile(r"^\s*\d+/\d+ (?:Test|MemCheck)\s+#\d+: (?P<test>\S+) \.", re.MULTILINE)


class CTest(Runner):
    name = "ctest"
    programs = ("ctest",)
    marker = re.compile(r"^\d+% tests passed, \d+ tests failed out of \d+", re.MULTILINE)
    red = (r"^\d{1,3}% tests passed, [1-9]\d{0,6} tests failed",)

    def ask(self, argv: Command, report: Path) -> Command:
        return without(argv, "--stop-on-failure")

    def results(self, told: Told) -> Results | None:
        wrong = number(r"^\d+% tests passed, (\d+) tests failed out of", told.output)
        count = number(r"tests failed out of (\d+)", told.output)
        announced = number(r"^\s*\d+/(\d+) (?:Test|MemCheck)\s+#", told.output)
        failed = frozenset(entry["test"] for entry in _ENTRY.finditer(told.output))
        if not failed or wrong != len(failed) or count != announced:
            return None  # "out of 2" where 3 were announced: it stopped
        ran = frozenset(found["test"] for found in _RESULT.finditer(told.output))
        return Results(failed, ran if len(ran) == count else None, count)


RUNNER = CTest()
