"""A run that ended for its environment continues when its flow is asked for by its id."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.projects import make_project


@pytest.fixture
def engine_name() -> str:
    """SQLite alone: the states are tested with the store."""
    return "sqlite"


async def test_it_continues_once_the_tool_is_there(home: Path, tmp_path: Path) -> None:
    from flows import execute_run

    tool = tmp_path / "tool.sh"
    project = make_project(
        tmp_path / "project",
        {"one": [[{"files": {"a.txt": "a"}}], [{"files": {"b.txt": "b"}}]]},
        phase={"validate": [f"sh -c '{tool} && test -f a.txt; exit $?'"]},
    )
    ended = await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        run_id="r",
    )
    assert ended["state"] == "DONE_FAILED_ENVIRONMENT"
    assert ended["phases"][0]["last_failure"]["lines"]

    tool.write_text("#!/bin/sh\nexit 0\n")
    tool.chmod(0o755)
    resumed = await execute_run(run_id="r")
    assert resumed["state"] == "DONE_SUCCESS"
    assert resumed["failure_reason"] is None
    kinds = [decision["kind"] for decision in resumed["phases"][0]["decisions"]]
    assert kinds == ["stop", "reopen", "complete"]
