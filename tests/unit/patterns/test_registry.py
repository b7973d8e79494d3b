"""Which patterns there are, in which order, and how a user's own one joins them."""

from importlib.metadata import EntryPoint

import pytest

from autopack.model.errors import BadInput
from autopack.repair.patterns import (
    Evidence,
    Match,
    Proposal,
    matches,
    patterns,
)
from autopack.repair.patterns.pattern_registry import ENTRY_POINTS


class DiskFull:
    """A pattern as a user would write it."""

    pattern_id = "disk_full"
    priority = 2
    summary = "the disk is full"

    def detect(self, evidence: Evidence) -> Match | None:
        if "No space left" in evidence.text:
            return Match(self.pattern_id, self.priority)
        return None

    def propose(self, evidence: Evidence, match: Match) -> Proposal:
        return Proposal(self.pattern_id, suggestions=("free some space",))


class Twin(DiskFull):
    pattern_id = "scope_mismatch"


NUMBER = 3


def entry(name: str) -> EntryPoint:
    return EntryPoint(name.lower(), f"{__name__}:{name}", ENTRY_POINTS)


def ids(found) -> list[str]:
    return [pattern.pattern_id for pattern in found]


def test_builtin_patterns_come_by_priority() -> None:
    assert [(p.priority, p.pattern_id) for p in patterns(installed=())] == [
        (1, "python_missing_dep"),
        (1, "node_missing_dep"),
        (2, "wrong_working_dir"),
        (2, "scope_mismatch"),
        (3, "missing_test_discovery"),
        (4, "permission_error"),
    ]


def test_installed_pattern_joins_by_its_priority() -> None:
    found = ids(patterns(installed=[entry("DiskFull")]))
    assert found.index("disk_full") == found.index("scope_mismatch") + 1


def test_installed_pattern_matches() -> None:
    among = patterns(installed=[entry("DiskFull")])
    (match,) = matches(Evidence("OSError: [Errno 28] No space left on device"), among)
    assert match.pattern_id == "disk_full"


def test_pattern_is_switched_off_by_its_id() -> None:
    assert "scope_mismatch" not in ids(patterns(off=["scope_mismatch"], installed=()))


def test_first_match_by_priority_wins() -> None:
    text = "PermissionError: [Errno 13] Permission denied: 'a'\ncollected 0 items"
    found = matches(Evidence(text), patterns(installed=()))
    assert [m.pattern_id for m in found] == ["missing_test_discovery", "permission_error"]


REFUSED = [
    ({"off": ["nonsense"], "installed": ()}, "no failure pattern 'nonsense'"),
    ({"installed": [entry("Twin")]}, "two failure patterns are called 'scope_mismatch'"),
    ({"installed": [entry("NUMBER")]}, "is not a failure pattern"),
    ({"installed": [EntryPoint("gone", "not_there:X", ENTRY_POINTS)]}, "does not load"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=lambda value: str(value)[:30])
def test_bad_pattern_is_refused_by_name(given, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        patterns(**given)
