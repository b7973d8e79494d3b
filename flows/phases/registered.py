"""Executing a flow in a flow run that has been registered for it."""

from __future__ import annotations

from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.flows import Flow


async def run_registered(
    flow: Flow[..., Any], flow_run: FlowRun, parameters: dict[str, Any]
) -> None:
    """Execute ``flow`` in ``flow_run``, as Prefect's ``run_flow_async`` does, one request less:
    that updates the flow's version and policy, which registering it has just written.

    Raises what the flow raises. What it returns is asked for by nobody, and Prefect would look for
    futures in all of it.
    """

    class Engine(AsyncFlowRunEngine[..., Any]):
        async def create_flow_run(self, client: PrefectClient) -> FlowRun:
            return flow_run

        async def handle_success(self, result: Any) -> Any:
            return await super().handle_success(None)

    engine = Engine(flow=flow, parameters=parameters)
    async with engine.start():
        while engine.is_running():
            async with engine.run_context():
                await engine.call_flow_fn()
    await engine.result()
