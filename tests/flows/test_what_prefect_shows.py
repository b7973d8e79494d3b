"""What a run leaves in Prefect: names, artifacts, events and the state in the list of runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.projects import call, git, make_project, make_remote

# The engine of the application database makes no difference to what Prefect shows.
pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Every event of the run, as it is handed to Prefect."""
    import tasks.reporting

    seen: list[Any] = []
    emit_event = tasks.reporting.emit_event

    def listening(**event: Any) -> Any:
        seen.append(event)
        return emit_event(**event)

    monkeypatch.setattr(tasks.reporting, "emit_event", listening)
    return seen  # pyright: ignore[reportReturnType]


@pytest.fixture
async def run(home: Path, tmp_path: Path, events: list[Any]) -> dict[str, Any]:
    """A run with one phase that passes at its second attempt, and one that fails."""
    from flows import execute_run

    phases = {
        "one": [[call(3), {"files": {"a": "bad"}}], [call(4), {"files": {"a": "good"}}]],
        "two": [[call(5), {"files": {"a": "bad"}}]],
    }
    phase = {"validate": [["sh", "-c", "test $(cat a) = good"]], "budget": {"attempts": 2}}
    project = make_project(tmp_path, phases, phase=phase)
    return await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}\n",
        run_id="shown.run",
    )


async def test_what_a_run_leaves_in_prefect(run: dict[str, Any], events: list[Any]) -> None:
    from prefect import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    names = [event["event"] for event in events]
    assert names == [
        "autopack.run.started",
        "autopack.attempt.failed",
        "autopack.phase.finished",
        "autopack.attempt.failed",
        "autopack.attempt.failed",
        "autopack.phase.finished",
        "autopack.run.finished",
    ]
    for event in events:
        assert event["resource"]["prefect.resource.id"] == "autopack.run.shown.run"
        assert event["payload"]["run_id"] == "shown.run"
        assert {"phase_id", "state", "tokens"} <= set(event["payload"])
    failed = [event["payload"] for event in events if event["event"] == "autopack.attempt.failed"]
    assert [(one["phase_id"], one["tokens"]) for one in failed] == [
        ("one", 3),
        ("two", 5),
        ("two", 5),
    ]
    assert [one["state"] for one in failed] == ["EXECUTING", "EXECUTING", "FAILED"]
    finished = [event["payload"] for event in events if event["event"] == "autopack.phase.finished"]
    assert [(one["phase_id"], one["state"], one["tokens"]) for one in finished] == [
        ("one", "COMPLETE", 7),
        ("two", "FAILED", 5),
    ]
    assert events[-1]["payload"]["state"] == run["state"]
    assert events[-1]["payload"]["tokens"] == run["tokens"]["total"] == 12

    async with get_client() as client:
        shown = await client.read_flow_run(run["flow_run_id"])
        found = await client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(like_="shown-run"))
        )
    assert (shown.name, shown.state_type) == ("shown.run", "FAILED")
    assert run["state"] in (shown.state.message or "")
    artifacts = {artifact.key: artifact for artifact in found}
    assert {
        "autopack-progress-shown-run",
        "autopack-summary-shown-run",
        "autopack-tokens-shown-run",
    } <= set(artifacts)
    assert artifacts["autopack-progress-shown-run"].data == 50
    summary = str(artifacts["autopack-summary-shown-run"].data)
    for words in (run["goal"], run["state"], "| one | COMPLETE | 2 | 7 |", "| two | FAILED |"):
        assert words in summary


async def test_the_branch_of_a_url_can_be_fetched_as_the_summary_says(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from prefect import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    from deployments.cli.shared.output import print_run
    from flows import execute_run

    project = make_project(tmp_path, {"one": [[call(5), {"files": {"a": "1"}}]]})
    url = f"file://{make_remote(project.repository)}"
    run = await execute_run(
        plan=str(project.plan),
        repo=url,
        builder_options=f"recording={project.recording}",
        run_id="of-url",
    )
    assert run["state"] == "DONE_SUCCESS"
    async with get_client() as client:
        key = ArtifactFilterKey(like_="summary-of-url")
        (summary,) = await client.read_artifacts(artifact_filter=ArtifactFilter(key=key))
    print_run(run)
    for text in (str(summary.data), capsys.readouterr().out):
        found = re.search(r"`git (fetch .+)`", text)
        assert found is not None, text
        git(project.repository, *shlex.split(found[1]))
        assert git(project.repository, "rev-parse", run["branch"]).strip() == run["head_commit"]
