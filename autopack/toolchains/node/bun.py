"""bun test."""

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

_FILE = re.compile(r"^(\S.*\.\w+):$")
_FAILED = re.compile(r"^(?:\(fail\)|✗) (?P<name>.+?)(?: \[[\d.]+ ?m?s\])?$")


class Bun(Runner):
    name = "bun test"
    marker = re.compile(r"^Ran \d+ tests? across \d+ files?\.", re.MULTILINE)
    red = (r"^[ ]{0,2}[1-9]\d{0,6} fail$",)
    opens = re.compile(r"^bun test v\d", re.MULTILINE)
    closes = re.compile(r"^Ran \d+ tests?\b", re.MULTILINE)

    def starts(self, argv: Command) -> bool:
        return argv[:2] == ("bun", "test")

    def ask(self, argv: Command, report: Path) -> Command:
        return without(argv, "--bail")

    def results(self, told: Told) -> Results | None:
        output = told.output
        wrong = number(r"^ *(\d+) fail$", output)
        count = number(r"^Ran (\d+) tests? across", output)
        lost = re.search(
            r"^Bailed out after|^ *\d+ errors?$|^# Unhandled error", output, re.MULTILINE
        )
        if lost or wrong is None or count is None:
            return None
        file, failed = "", list[str]()
        for line in output.splitlines():
            if found := _FILE.match(line):
                file = found[1]
            elif found := _FAILED.match(line):
                failed.append(f"{file} > {found['name']}")
        if not failed or len(set(failed)) != len(failed) or len(failed) != wrong:
            return None
        return Results(frozenset(failed), None, count)


RUNNER = Bun()
