"""What a fleet leaves in Prefect: one table of all its runs, its progress, and how each ended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.projects import Project, make_simulated, write_yaml

# The engine of the application database makes no difference to what Prefect shows.
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("engine_name", ["sqlite"])]

SPEC = {
    "provider": "anthropic",
    "model": "claude-sonnet-4-5",
    "success": 1,
    "calls": 1,
    "input": 1000,
    "output": 1000,
}


async def artifacts(name: str) -> dict[str, Any]:
    """The latest artifact of every key that has the name in it."""
    from prefect import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    async with get_client() as client:
        found = await client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(like_=name))
        )
    return {artifact.key: artifact for artifact in sorted(found, key=lambda one: str(one.created))}  # pyright: ignore[reportReturnType]


async def fleet(project: Project, plans: list[Path], name: str) -> list[dict[str, Any]]:
    from flows import execute_runs

    return await execute_runs(
        plans=[str(plan) for plan in plans],
        repo=str(project.repository),
        builder="simulated",
        builder_options=f"spec={project.recording}\nseed=run",
        max_concurrent_runs=2,
        run_id=name,
    )


async def test_a_fleet_shows_what_became_of_each_run(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOPACK_PAGE_URL", "https://autopack.example.org")
    project = make_simulated(tmp_path, SPEC)
    text = project.plan.read_text(encoding="utf-8")
    asks, fails, unreadable = (tmp_path / f"{name}.yaml" for name in ("asks", "fails", "other"))
    asks.write_text(text.replace("tier: T1", "tier: T1\n  approval: true"), encoding="utf-8")
    fails.write_text(text.replace("grep -q done", "grep -q other"), encoding="utf-8")
    write_yaml(unreadable, {"goal": "nothing"})

    await fleet(project, [project.plan, asks, fails, unreadable], "shows")

    found = await artifacts("-shows")
    said = "1 waiting for a person · 1 failed · 1 done · 4,000 tokens · $0.04"
    table = found["autopack-fleet-shows"]
    assert table.description == said
    rows = [row for row in table.data.splitlines() if row.startswith("|")][2:]
    assert [row.split(" | ")[1] for row in rows] == ["waiting for a person", "failed", "done"]
    assert "phase-1 waits for approval" in rows[0]
    assert "**shows-4** refused" in table.data
    page = "https://autopack.example.org/ui"
    assert f"({page}/campaigns/shows)" in table.data
    assert f"({page}/runs/shows-1)" in found["autopack-summary-shows-1"].data
    progress = found["autopack-progress-shows"]
    assert (progress.data, progress.description) == (100, said)
    assert found["autopack-summary-shows"].description == said
    one = "DONE_SUCCESS · 2,000 tokens · $0.02 · 1 of 1 phase"
    for kind in ("progress", "summary", "tokens"):
        assert found[f"autopack-{kind}-shows-1"].description == one


async def test_the_table_is_there_while_runs_are_under_way(home: Path, tmp_path: Path) -> None:
    project = make_simulated(tmp_path, SPEC | {"seconds": 5})
    going_on = asyncio.create_task(fleet(project, [project.plan] * 3, "early"))
    table = None
    while table is None and not going_on.done():
        await asyncio.sleep(0.5)
        table = (await artifacts("fleet-early")).get("autopack-fleet-early")
    assert table is not None
    assert "| early-3 | to come |" in table.data
    await going_on
    latest = (await artifacts("fleet-early"))["autopack-fleet-early"]
    assert latest.id == table.id, "it is kept up to date, not written anew"
    assert "3 done" in latest.data
