"""cargo test, by what the test binaries print one after the other."""

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
    without,
)

_BINARY = re.compile(r"^\s+(?:Running (?P<of>.+?) \(.*\)|Doc-tests (?P<doc>\S+))$")
_RUNNING = re.compile(r"^running (\d+) tests?$")
_TEST = re.compile(r"^test (?P<name>.+?)(?: - should panic)? \.\.\. (?P<how>ok|FAILED|ignored)\b")
_LINE = re.compile(r" \(line \d+\)")
# Printed at the end, and only where a failing binary did not keep the others from running.
_ALL_RAN = re.compile(r"^error: \d+ targets? failed", re.MULTILINE)
_LOST = re.compile(
    r"^error: could not compile|process didn't exit successfully|^error\[E\d|\(signal: \d+",
    re.MULTILINE,
)


class Cargo(Runner):
    name = "cargo test"
    marker = re.compile(r"^test result: (?:ok|FAILED)\. \d+ passed;", re.MULTILINE)
    red = (r"^test result: FAILED",)
    unbuilt = (r"^error: could not compile ",)
    opens = re.compile(r"^running \d+ tests?$", re.MULTILINE)
    closes = re.compile(r"^test result: ", re.MULTILINE)

    def starts(self, argv: Command) -> bool:
        return argv[:1] == ("cargo",) and "test" in argv[1:3] and "nextest" not in argv

    def ask(self, argv: Command, report: Path) -> Command:
        """A failing binary must not keep the others from running."""
        place = argv.index("test") + 1
        return (*argv[:place], "--no-fail-fast", *without(argv[place:], "--no-fail-fast"))

    def results(self, told: Told) -> Results | None:
        output = told.output
        if _LOST.search(output) or not _ALL_RAN.search(output):
            return None
        binary, expected = "", 0
        ran: set[str] = set()
        failed: set[str] = set()
        for line in output.splitlines():
            if found := _BINARY.match(line):
                binary = found["of"] or f"doc {found['doc']}"
            elif found := _RUNNING.match(line):
                expected += int(found[1])
            elif found := _TEST.match(line):
                test = f"{binary}: {_LINE.sub('', found['name'])}"
                ran.add(test)
                if found["how"] == "FAILED":
                    failed.add(test)
        if not failed or len(ran) != expected:
            return None
        return Results(frozenset(failed), frozenset(ran), len(ran))


RUNNER = Cargo()
