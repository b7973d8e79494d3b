"""The recorded errors and the pattern each of them belongs to."""

import json
from pathlib import Path
from typing import Any

import pytest

from autopack.repair.patterns import Evidence, matches, patterns

CASES = json.loads(
    (Path(__file__).parents[2] / "data/patterns/cases.json").read_text(encoding="utf-8")
)["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_recorded_error_has_its_pattern(case: dict[str, Any], worktree) -> None:
    given = case["input"]
    evidence = Evidence(
        given["error_text"],
        root=worktree(given["workspace_files"]),
        scope=tuple(given["scope_paths"]) if given["scope_paths"] else None,
    )
    found = matches(evidence, patterns(installed=()))
    assert (found[0].pattern_id if found else None) == case["pattern_id"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_recorded_error_needs_no_worktree(case: dict[str, Any]) -> None:
    found = matches(Evidence(case["input"]["error_text"]), patterns(installed=()))
    assert (found[0].pattern_id if found else None) == case["pattern_id"]
