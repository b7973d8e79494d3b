"""Names of flow runs, where what they should say is known only once they run."""

from __future__ import annotations

from uuid import UUID

from prefect import get_client
from prefect.runtime import flow_run as current_flow_run


async def rename(name: str) -> None:
    """Call the current flow run so; nothing happens outside one."""
    flow_run_id = current_flow_run.get_id()
    if flow_run_id is not None:
        async with get_client() as client:
            await client.update_flow_run(UUID(flow_run_id), name=name)
