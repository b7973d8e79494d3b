"""Names of flow runs, where what they should say is known only once they run."""

from __future__ import annotations

from uuid import UUID

from prefect import get_client
from prefect.context import FlowRunContext
from prefect.runtime import flow_run as current_flow_run

from autopack.ids import new_run_id


def unique_part(flow_run_id: UUID | str) -> str:
    """What tells a flow run from all others, short; ids begin with the time and end by chance."""
    return UUID(str(flow_run_id)).hex[-8:]


def own_run_id() -> str | None:
    """The id of the run that the current flow run prepares, the same when it is retried; None
    outside one.
    """
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    if flow_run is None or flow_run.expected_start_time is None:
        return None
    # Unlike its start it stays what it is, and unlike its creation it is about when it runs.
    return new_run_id(flow_run.expected_start_time, unique_part(flow_run.id))


async def rename(name: str) -> None:
    """Call the current flow run so; nothing happens outside one."""
    flow_run_id = current_flow_run.get_id()
    if flow_run_id is not None:
        async with get_client() as client:
            await client.update_flow_run(UUID(flow_run_id), name=name)
