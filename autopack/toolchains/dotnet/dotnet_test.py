"""dotnet test."""

from __future__ import annotations

import re

from autopack.model.commands import (
    Command,
)
from autopack.toolchains.runner import (
    Results,
    Runner,
    Told,
    numbered,
    total,
)

_ENTRY = re.compile(r"^\s+(?:Failed|X) (?P<test>\S.*?) \[[<\d][^\]]*\]$", re.MULTILINE)
_LOST = re.compile(
    r"Test [Rr]un (?:was )?[Aa]borted|active test run was aborted|error (?:CS|MSB|FS|NETSDK)\d+"
    r"|Testhost process .* exited with error",
)


class DotnetTest(Runner):
    name = "dotnet test"
    marker = re.compile(r"^(?:Failed|Passed)!  - Failed: +\d+, Passed: +\d+", re.MULTILINE)
    red = (r"^Failed!  - Failed:[ ]{1,8}[1-9]",)
    unbuilt = (r"^Build FAILED\.$",)

    overrides = False  # no option undoes what xunit.runner.json says

    def starts(self, argv: Command) -> bool:
        return argv[:2] == ("dotnet", "test")

    def results(self, told: Told) -> Results | None:
        failed = numbered(_ENTRY.findall(told.output))
        wrong = total(r"^(?:Failed|Passed)!  - Failed: +(\d+),", told.output)
        if not failed or len(failed) != wrong or _LOST.search(told.output):
            return None
        count = total(r"^(?:Failed|Passed)!  - .*Total: +(\d+)", told.output)
        return Results(failed, None, count)


RUNNER = DotnetTest()
