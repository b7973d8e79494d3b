"""go test: its JSON lines where it can be asked for them, else its text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autopack.model.commands import (
    Command,
)
from autopack.toolchains.runner import (
    Results,
    Runner,
    Told,
    without,
)

# A package that was not built has no tests, and one that panics loses those after it.
_BROKE_OFF = re.compile(
    r"^FAIL\t\S+ \[[a-z]+ failed\]|^panic: |^fatal error: |^signal: |^exit status [^1]"
    r"|^\?? ?testing: warning: no tests to run$",
    re.MULTILINE,
)
_ENDED = ("pass", "fail", "skip")


class GoTest(Runner):
    name = "go test"
    marker = re.compile(r"^(?:FAIL|ok  )\t\S+(?:\t[\d.]+s| \[[a-z ]+\])", re.MULTILINE)
    red = (r"^[ ]{0,16}--- FAIL: ", r"^FAIL\t", r"^FAIL$")
    unbuilt = (r"^FAIL\t\S+ \[(?:build|setup) failed\]",)

    def starts(self, argv: Command) -> bool:
        return argv[:2] == ("go", "test")

    def ask(self, argv: Command, report: Path) -> Command:
        rest = without(argv[2:], "-failfast", "--failfast", "-json")
        return (*argv[:2], "-json", "-failfast=false", *rest)

    def results(self, told: Told) -> Results | None:
        return _of_events(told.output) if self.starts(told.argv) else _of_text(told.output)

    def readable(self, output: str) -> str:
        """Return the text that ``go test -json`` wrapped."""
        return "".join(
            str(event.get("Output", "")) if event is not None else line + "\n"
            for line, event in _json_lines(output)
        )


def _of_events(output: str) -> Results | None:
    ran: set[str] = set()
    failed: set[str] = set()
    packages: set[str] = set()
    explained: set[str] = set()
    began: set[str] = set()
    for line, event in _json_lines(output):
        if event is None or "Output" in event:
            if _BROKE_OFF.search(line if event is None else str(event["Output"])):
                return None
            continue
        action = event.get("Action")
        package, test = str(event.get("Package", event.get("ImportPath", ""))), event.get("Test")
        if action == "build-fail":
            return None
        if test and action == "run":
            began.add(f"{package}::{test}")
        elif test and action in _ENDED:
            ran.add(f"{package}::{test}")
        if action != "fail":
            continue
        if test:
            failed.add(f"{package}::{test}")
            explained.add(package)
        else:
            packages.add(package)
    if not failed or not packages <= explained or not began <= ran:
        return None
    return Results(frozenset(failed), frozenset(ran), len(ran))


def _of_text(output: str) -> Results | None:
    """Read the text of ``go test``, which names the tests that failed above their package."""
    if _BROKE_OFF.search(output):
        return None
    failed: set[str] = set()
    pending: list[str] = []
    for line in output.splitlines():
        if found := re.match(r"\s*--- FAIL: (\S+) \(", line):
            pending.append(found[1])
        elif found := re.match(r"(FAIL|ok  )\t(\S+)", line):
            if found[1] == "FAIL" and not pending:
                return None
            failed |= {f"{found[2]}::{test}" for test in pending}
            pending.clear()
    return Results(frozenset(failed)) if failed and not pending else None


def _json_lines(output: str) -> Iterator[tuple[str, dict[str, Any] | None]]:
    for line in output.splitlines():
        try:
            event: Any = json.loads(line)
        except ValueError:
            event = None
        yield line, event if isinstance(event, dict) else None


RUNNER = GoTest()
