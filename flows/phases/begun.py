"""Executing a flow in a flow run that is made for it as it begins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.flows import Flow


async def run_begun(
    flow: Flow[..., Any], begin: Callable[[], Awaitable[FlowRun]], parameters: dict[str, Any]
) -> None:
    """Execute ``flow`` in the flow run that ``begin`` makes, as Prefect's ``run_flow_async`` does.

    One that is running already is neither told to run nor read again, which is two requests less.
    Raises what the flow raises. What it returns is asked for by nobody, and Prefect would look for
    futures in all of it.
    """

    class Engine(AsyncFlowRunEngine[..., Any]):
        async def create_flow_run(self, client: PrefectClient) -> FlowRun:
            return await begin()

        async def begin_run(self) -> State[Any]:
            if self.flow_run is None or not self.state.is_running():
                return await super().begin_run()
            _answer_once(self.client, self.flow_run)
            return self.state

        async def handle_success(self, result: Any) -> Any:
            return await super().handle_success(None)

    engine = Engine(flow=flow, parameters=parameters)
    async with engine.start():
        while engine.is_running():
            async with engine.run_context():
                await engine.call_flow_fn()
    await engine.result()


def _answer_once(client: PrefectClient, flow_run: FlowRun) -> None:
    """Have the client take ``flow_run`` for what it reads next, if that is the one."""

    async def read(flow_run_id: UUID) -> FlowRun:
        vars(client).pop("read_flow_run", None)
        return flow_run if flow_run_id == flow_run.id else await client.read_flow_run(flow_run_id)

    vars(client)["read_flow_run"] = read
