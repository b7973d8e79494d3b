"""unittest and Django's test runner, by what they print."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

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

_HEADER = re.compile(r"^={70}\n(?:ERROR|FAIL|UNEXPECTED SUCCESS): (.+)$", re.MULTILINE)
_LAST = re.compile(r"^FAILED \((.+)\)$", re.MULTILINE)
_NOT_LOADED = re.compile(r"unittest\.loader\._FailedTest|Failed to import test module", re.M)
_RAN = re.compile(
    r"^(?P<test>\w+ \([\w.]+\))(?:\n[^\n]+)? \.\.\. "
    r"(?:ok|FAIL|ERROR|skipped|expected failure|unexpected success)?",
    re.MULTILINE,
)
_COUNT = re.compile(r"^Ran \d+ tests? in [\d.]+s$", re.MULTILINE)
_VERBOSE = re.compile(
    r"^[^\n]+ \.\.\. (?:[^\n]*\b)?(ok|FAIL|ERROR|skipped|expected failure|unexpected success)\b",
    re.MULTILINE,
)
_DOTS = re.compile(r"^[.FEsxu]+$", re.MULTILINE)


class Unittest(Runner):
    name = "unittest"
    marker = _COUNT
    red = (r"^FAILED \((?:failures|errors|unexpected successes)=",)
    uncollected = (r"\bFailed to import test module: ",)
    opens = re.compile(r"^Found \d+ test\(s\)\.$", re.MULTILINE)
    closes = _COUNT

    def starts(self, argv: Command) -> bool:
        words = [PurePosixPath(word).name for word in argv]
        return "unittest" in words[:5] or ("manage.py" in words[:5] and "test" in words)

    def ask(self, argv: Command, report: Path) -> Command:
        asked = without(argv, "-f", "--failfast")
        if any(PurePosixPath(word).name == "manage.py" for word in asked[:5]):
            return (*asked, "-v", "2")
        place = asked.index("unittest") + 1 if "unittest" in asked else len(asked)
        if asked[place : place + 1] == ("discover",):
            place += 1
        return (*asked[:place], "-v", *asked[place:])

    def results(self, told: Told) -> Results | None:
        counts = _LAST.findall(told.output)
        if len(counts) != 1 or _NOT_LOADED.search(told.output):
            return None
        wrong = sum(
            int(count)
            for kind, count in re.findall(r"([a-z ]+)=(\d+)", counts[0])
            if kind.strip() in ("failures", "errors", "unexpected successes")
        )
        # Django adds what a sub-test was called with; the module stays, lines are not there.
        failed = [name.strip() for name in _HEADER.findall(told.output)]
        if not failed or len(failed) != wrong:
            return None
        count = number(r"^Ran (\d+) tests? in ", told.output)
        ran = frozenset(found["test"] for found in _RAN.finditer(told.output))
        found = number(r"^Found (\d+) test\(s\)\.$", told.output)
        if found is not None and found != count:
            return None  # Django's: it stopped at a failure
        asked = self.starts(told.argv)
        if not asked and found is None and _ends_with_failure(told.output):
            return None  # a run that stops at a failure looks like this
        return Results(frozenset(failed), ran if len(ran) == count else None, count)

    def broke_off(self, told: Told) -> bool:
        by_itself = self.starts(told.argv) and "unittest" in told.argv
        by_itself = by_itself and {"-h", "--help"}.isdisjoint(told.argv)
        return super().broke_off(told) or (by_itself and not _COUNT.search(told.output))


def _ends_with_failure(output: str) -> bool:
    dots = _DOTS.findall(output)
    if dots:
        return dots[-1][-1] in "FE"
    named = _VERBOSE.findall(output)
    return bool(named) and named[-1] in ("FAIL", "ERROR")


RUNNER = Unittest()
