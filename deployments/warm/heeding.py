"""A worker that hears at once that a flow run was asked for, besides looking once in a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.logging import get_logger

_SCHEDULED = EventFilter(event=EventNameFilter(name=["prefect.flow-run.Scheduled"]))
_log = get_logger("worker.heeding")


async def heed(look: Callable[[], Awaitable[object]], *, again_seconds: float = 10.0) -> None:
    """Call ``look`` whenever the server says that a flow run is scheduled, until cancelled.

    Nothing depends on it: where the server's events cannot be heard, or a look fails, the worker
    looks as often as before, and listens again after so many seconds.
    """
    while True:
        try:
            async with get_events_subscriber(filter=_SCHEDULED) as events:
                async for _ in events:
                    await look()
        except Exception as error:
            _log.debug("the server's events cannot be heard: %s", error)
        await anyio.sleep(again_seconds)
