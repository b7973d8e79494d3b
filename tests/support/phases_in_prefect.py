"""A run of a few phases, and what Prefect has heard of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, TaskRun

from support.projects import Project, call, make_project


async def executed(project: Project) -> dict[str, Any]:
    from flows import execute_run

    return await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
    )


def three_phases(folder: Path, **phase: Any) -> Project:
    builds = {f"p{number}": [[call(7), {"files": {f"f{number}": "1"}}]] for number in range(3)}
    return make_project(folder, builds, phase=phase)


async def subflows_of(flow_run_id: str) -> list[FlowRun]:
    parent = FlowRunFilterParentFlowRunId(any_=[UUID(flow_run_id)])
    async with get_client() as client:
        return await client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))


async def phases_of(run: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """The subflows of a run in the order they were registered: name and names of states."""
    async with get_client() as client:
        found = await subflows_of(run["flow_run_id"])
        found.sort(key=lambda one: one.created or one.start_time)  # pyright: ignore
        return [(one.name, await _states(client, one)) for one in found]


async def stand_ins_of(run: dict[str, Any]) -> list[TaskRun]:
    """The task runs that stand for phases in the flow run of a run, as they were made."""
    parent = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(run["flow_run_id"])]))
    async with get_client() as client:
        found = await client.read_task_runs(flow_run_filter=parent)
        return sorted(
            (one for one in found if one.dynamic_key.startswith("phase ")),
            key=lambda one: one.created or one.start_time,  # pyright: ignore
        )


async def _states(client: Any, flow_run: FlowRun) -> list[str]:
    states = await client.read_flow_run_states(flow_run.id)
    return [state.name or "" for state in sorted(states, key=lambda state: state.timestamp)]


async def until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(seen):  # noqa: ASYNC110 - a database sets no event
            await asyncio.sleep(0.02)
