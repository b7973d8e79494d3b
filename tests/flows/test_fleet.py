"""Many runs: bounded, in order, each on its own, and again by the same name."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.projects import Project, make_simulated, write_yaml

from autopack.model.errors import BadInput

# What differs between the engines is tested with the store.
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("engine_name", ["sqlite"])]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_simulated(tmp_path, {"success": 1, "calls": 2, "seconds": 0.3})


async def fleet(project: Project, plans: list[Any], **more: Any) -> list[dict[str, Any]]:
    from flows import execute_runs

    return await execute_runs(
        plans=[str(plan) for plan in plans],
        repo=str(project.repository),
        builder="simulated",
        builder_options=f"spec={project.recording}\nseed=run",
        **more,
    )


def most_at_once(results: list[dict[str, Any]]) -> int:
    """How many runs were under way at the same moment."""
    moments = sorted(
        (datetime.fromisoformat(result[name]), change)
        for result in results
        for name, change in (("started_at", 1), ("finished_at", -1))
    )
    running = most = 0
    for _, change in moments:
        running += change
        most = max(most, running)
    return most


async def test_so_many_at_once_and_the_results_in_order(
    home: Path, project: Project, tmp_path: Path
) -> None:
    # However long Prefect takes to start a flow run, the first run waits for the second.
    met = tmp_path / "met"
    met.mkdir()
    two = f"[ $(ls {met} | wc -l) -ge 2 ]"
    wait = f"touch {met}/$$; for n in $(seq 600); do {two} && exit; sleep 0.1; done; exit 1"
    meeting = tmp_path / "meeting.yaml"
    text = project.plan.read_text(encoding="utf-8")
    meeting.write_text(
        text.replace("grep -q done phase-1.txt", f"[sh, -c, '{wait}']"), encoding="utf-8"
    )

    results = await fleet(project, [meeting] * 5, max_concurrent_runs=2, run_id="five")

    assert [result["run_id"] for result in results] == [f"five-{n}" for n in range(1, 6)]
    assert all(result["success"] and result["error"] is None for result in results)
    assert all(result["workspace_path"] is None for result in results)
    assert most_at_once(results) == 2
    assert len({result["tokens"] for result in results}) > 1, "each run has a seed of its own"


async def test_those_that_begin_beforehand_are_not_under_way(home: Path, project: Project) -> None:
    results = await fleet(
        project, [project.plan] * 5, max_concurrent_runs=2, run_id="five", executor="process"
    )
    assert all(result["success"] for result in results)
    assert most_at_once(results) == 2


async def test_a_failure_takes_no_other_run_down(
    home: Path, project: Project, tmp_path: Path
) -> None:
    impossible = tmp_path / "impossible.yaml"
    text = project.plan.read_text(encoding="utf-8").replace("grep -q done", "grep -q other")
    impossible.write_text(text, encoding="utf-8")
    unreadable = tmp_path / "unreadable.yaml"
    write_yaml(unreadable, {"goal": "nothing"})

    results = await fleet(project, [impossible, project.plan, unreadable], run_id="mixed")

    assert [result["state"] for result in results] == [
        "DONE_FAILED_REQUIRES_HUMAN_REVIEW",
        "DONE_SUCCESS",
        None,
    ]
    assert "phases" in results[2]["error"]


async def test_a_fleet_of_the_same_name_goes_on(home: Path, project: Project) -> None:
    first = await fleet(project, [project.plan] * 2, run_id="again")
    second = await fleet(project, [project.plan] * 3, run_id="again")

    assert second[:2] == first, "what has ended is not run again"
    assert second[2]["success"]


async def test_stored_runs_are_named_by_their_ids(home: Path, project: Project) -> None:
    from flows import execute_runs

    await fleet(project, [project.plan], run_id="stored")
    [known, unknown] = await execute_runs(run_ids=["stored-1", "nobody"])
    assert known["success"]
    assert not unknown["success"]
    assert "nobody" in unknown["error"]


async def test_none_at_once_is_refused(home: Path, project: Project) -> None:
    with pytest.raises(BadInput) as refused:
        await fleet(project, [project.plan], max_concurrent_runs=0)
    assert refused.value.field == "max"


async def test_a_fleet_of_nothing_is_refused(home: Path) -> None:
    from flows import execute_runs

    with pytest.raises(BadInput, match="fill in the field plans, or run_ids") as refused:
        await execute_runs(plans=[])
    assert refused.value.field == "plans"


def test_counting_what_runs_at_once(engine_name: str) -> None:
    times = [("00:00", "00:02"), ("00:01", "00:03"), ("00:02", "00:04")]
    day = "2026-01-01T"
    results = [{"started_at": f"{day}{a}", "finished_at": f"{day}{b}"} for a, b in times]
    assert most_at_once(results) == 2
