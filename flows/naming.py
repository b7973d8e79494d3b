"""Names of flow runs and of what they make, where what they say is known only once they run.

A flow run that is retried makes the same names again, and so resumes what it began. So does
a call in a user's own flow when that flow is retried: it is known by its parent flow run, its
parameters, and the number of equal calls before it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run as current_flow_run

from autopack.model.ids import new_run_id


class Origin(NamedTuple):
    """What tells a call from all others, short, and about when it was first made.

    ``parent`` is the flow run that calls, None outside one; ``retried`` whether that one does so
    again.
    """

    unique: str
    at: datetime
    parent: UUID | None = None
    retried: bool = False


_lock = threading.Lock()
_calls: Counter[tuple[UUID, int, str]] = Counter()
_origins: dict[UUID, Origin] = {}


def unique_part(flow_run_id: UUID | str) -> str:
    """Return what tells a flow run from all others, short; ids begin with the time and end by
    chance.
    """
    return UUID(str(flow_run_id)).hex[-8:]


def origin() -> Origin | None:
    """Return where the current flow run comes from; None outside one.

    Asks the server once about a flow run that is a part of another.
    """
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    if flow_run is None or flow_run.expected_start_time is None:
        return None
    if flow_run.parent_task_run_id is None:
        # Unlike its start it stays what it is, and unlike its creation it is about when it runs.
        return Origin(unique_part(flow_run.id), flow_run.expected_start_time)
    if flow_run.id not in _origins:
        _origins[flow_run.id] = _origin_of_call(flow_run, flow_run.parent_task_run_id)
    return _origins[flow_run.id]


def own_run_id() -> str | None:
    """Return the id of the run that the current flow run prepares, the same when it is retried;
    None outside one."""
    found = origin()
    return new_run_id(found.at, found.unique) if found else None


def same_call(flow_run_id: str) -> bool:
    """Return whether the current flow run is the same call, of a parent flow run that is retried,
    as an earlier one."""
    found = origin()
    if found is None or found.parent is None or not found.retried:
        return False
    with get_client(sync_client=True) as client:
        try:
            parent = client.read_flow_run(UUID(flow_run_id)).parent_task_run_id
            return parent is not None and client.read_task_run(parent).flow_run_id == found.parent
        except (ObjectNotFound, ValueError):
            return False


def prepared_run_id(flow_run: FlowRun) -> str | None:
    """Return what ``own_run_id`` is within that flow run; None for one that is a part of
    another.
    """
    if flow_run.expected_start_time is None or flow_run.parent_task_run_id is not None:
        return None
    return new_run_id(flow_run.expected_start_time, unique_part(flow_run.id))


async def rename(name: str) -> None:
    """Call the current flow run so; nothing happens outside one."""
    flow_run_id = current_flow_run.get_id()
    if flow_run_id is not None:
        async with get_client() as client:
            await client.update_flow_run(UUID(flow_run_id), name=name)


def _origin_of_call(flow_run: FlowRun, parent_task_run: UUID) -> Origin:
    own = Origin(unique_part(flow_run.id), flow_run.expected_start_time or _EPOCH)
    with get_client(sync_client=True) as client:
        parent_id = client.read_task_run(parent_task_run).flow_run_id
        if parent_id is None:
            return own
        parent = client.read_flow_run(parent_id)
    said = json.dumps([str(flow_run.flow_id), flow_run.parameters], sort_keys=True, default=str)
    asked = hashlib.sha256(said.encode()).hexdigest()
    with _lock:
        call = (parent.id, parent.run_count, asked)
        number = _calls[call]
        _calls[call] += 1
    named = hashlib.sha256(f"{parent.id} {number} {asked}".encode()).hexdigest()
    return Origin(named[:8], parent.expected_start_time or own.at, parent.id, parent.run_count > 1)


_EPOCH = datetime.fromtimestamp(0).astimezone()
