"""Where plans and repositories are, as a worker in another folder has to be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.cli.runs.fleet import absolute


@pytest.mark.parametrize(
    "url", ["https://example.org/team/project.git", "git@example.org:team/project.git"]
)
def test_a_url_stays_what_it_is(url: str) -> None:
    assert absolute(url) == url


def test_a_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("plan.yaml") == str(tmp_path / "plan.yaml")
