"""Where the branch of a run is: told when the user's repository does not have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autopack.views.branch_location import where_branch_is
from autopack.workspace.mirror import clone_of

URL = "https://example.org/team/project.git"


def run(**changes: Any) -> dict[str, Any]:
    return {"repo": URL, "branch": "autopack/r", "head_commit": "c", "push": None} | changes


# the run, and words that are said of it
@pytest.mark.parametrize(
    ("run", "words"),
    [
        # a folder has the branch
        (run(repo="."), None),
        (run(head_commit=None), None),
        (run(), "git fetch"),
        # what the remote did not take is in the clone alone
        (run(push={"remote": "central", "error": "gone"}), "git fetch"),
        (run(push={"remote": "central", "error": None}), "pushed to central"),
        (run(repo=".", push={"remote": "central", "error": None}), "pushed to central"),
    ],
)
def test_where_the_branch_is(run: dict[str, Any], words: str | None, tmp_path: Path) -> None:
    clone = clone_of(tmp_path, URL)
    clone.mkdir(parents=True)
    said = where_branch_is(run, tmp_path)
    assert said is None if words is None else words in (said or "")
    if words == "git fetch":
        assert f"git fetch {clone} c:refs/heads/autopack/r" in (said or "")


def test_a_clone_of_another_machine_is_not_named(tmp_path: Path) -> None:
    assert "the machine that ran it" in (where_branch_is(run(), tmp_path) or "")
