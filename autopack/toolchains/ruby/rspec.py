"""RSpec."""

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
    inserted,
    without,
)

_ENTRY = re.compile(r"^rspec '?(?P<file>[^\s:\['#]+)[^#]*# (?P<name>.*)$", re.MULTILINE)
_LAST = re.compile(
    r"^(?P<count>\d+) examples?, (?P<wrong>\d+) failures?(?P<rest>.*)$", re.MULTILINE
)


class RSpec(Runner):
    name = "rspec"
    programs = ("rspec",)
    marker = re.compile(r"^\d+ examples?, \d+ failures?", re.MULTILINE)
    red = (r"^\d{1,7} examples?, [1-9]\d{0,6} failures?",)
    uncollected = (r"\berrors? occurred outside of examples\b",)

    def ask(self, argv: Command, report: Path) -> Command:
        return inserted(without(argv, "--fail-fast"), self.programs, "--no-fail-fast")

    def broke_off(self, told: Told) -> bool:
        """Say so where all that the usual formatter printed are dots."""
        rest = re.sub(r"^Randomized with seed \d+$", "", told.output, flags=re.MULTILINE)
        only_dots = not rest.strip(".*F \n")
        return self.starts(told.argv) and only_dots and "--dry-run" not in told.argv

    def results(self, told: Told) -> Results | None:
        last = list(_LAST.finditer(told.output))
        if len(last) != 1 or "outside of examples" in told.output:
            return None
        failed = [f"{entry['file']}: {entry['name']}" for entry in _ENTRY.finditer(told.output)]
        if not failed or len(set(failed)) != len(failed) or len(failed) != int(last[0]["wrong"]):
            return None
        return Results(frozenset(failed), None, int(last[0]["count"]))


RUNNER = RSpec()
