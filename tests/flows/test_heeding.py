"""A warm worker hears of a flow run before it would look."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest


@pytest.mark.usefixtures("prefect_server")
async def test_a_worker_looks_when_a_flow_run_is_scheduled() -> None:
    from prefect import flow, get_client
    from prefect.states import Scheduled

    from deployments.warm.heeding import heed

    looked = asyncio.Event()

    async def look() -> None:
        looked.set()
        if heard > 1:
            return
        raise ConnectionError("the first look fails")

    @flow(name="heard-of", persist_result=False)
    async def wanted() -> None:
        pass

    heard = 0
    heeding = asyncio.create_task(heed(look, again_seconds=0.1))
    try:
        async with get_client() as client, asyncio.timeout(60):
            while heard < 2:
                # Until it is connected it hears nothing.
                await client.create_flow_run(wanted, state=Scheduled())
                with suppress(TimeoutError):
                    await asyncio.wait_for(looked.wait(), 0.5)
                heard += looked.is_set()
                looked.clear()
    finally:
        heeding.cancel()
    assert heard == 2, "also after a look that failed"
