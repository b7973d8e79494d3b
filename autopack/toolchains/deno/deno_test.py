"""deno test."""

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
    total,
    without,
    without_places,
)

_LAST = re.compile(r"^(?:FAILED|ok) \| (?P<counts>.*) \(\d+m?s\)$", re.MULTILINE)
_ENTRY = re.compile(r"^(?P<name>.+ => \S+:\d+:\d+)$")


class Deno(Runner):
    name = "deno test"
    marker = re.compile(r"^running \d+ tests? from \S+$", re.MULTILINE)
    red = (r"^FAILED \| \d{1,7} passed",)

    def starts(self, argv: Command) -> bool:
        return argv[:2] == ("deno", "test")

    def ask(self, argv: Command, report: Path) -> Command:
        return without(argv, "--fail-fast")

    def results(self, told: Told) -> Results | None:
        last = _LAST.findall(told.output)
        _, found, list_of = told.output.rpartition(" FAILURES \n")
        if (
            len(last) != 1
            or not found
            or re.search(r"\(uncaught error\)|^error: Uncaught", told.output, re.M)
        ):
            return None
        plain = re.sub(r"\(\d+ steps?\)", "", last[0])
        count = total(r"(\d+) (?:passed|failed|ignored|measured)", plain)
        if total(r"^running (\d+) tests? from ", told.output) != count:
            return None
        failed = frozenset(
            without_places(entry["name"])
            for entry in map(_ENTRY.match, list_of.splitlines())
            if entry
        )
        if not failed:
            return None
        return Results(failed, None, count)


RUNNER = Deno()
