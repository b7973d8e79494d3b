"""What Prefect has decided about a flow run: cancelled, or ended by a limit on its time."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Sequence
from typing import TypeVar
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient, SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from autopack.store.database.engine import Database
from tasks.retries import client_retries

One = TypeVar("One")

PAGE = 200
"""The most that a server answers at once."""

RESUMES_FOR_OTHERS = "reconcile"
"""The tag of flow runs that were started for runs of others: the end of who started them is not
the end of their runs.
"""

_CANCELLED = (StateType.CANCELLING, StateType.CANCELLED)


def is_cancelled_state(state: State | None) -> bool:
    """Return whether somebody has cancelled what is in this state."""
    return state is not None and state.type in _CANCELLED


def timed_out(state: State | None) -> bool:
    """Return whether a limit on its time ended what is in this state."""
    return state is not None and state.is_failed() and state.name == "TimedOut"


def database_label(db: Database) -> str:
    """Return which database a flow run belongs to, for servers that several databases share."""
    return hashlib.sha256(db.identity.encode()).hexdigest()[:16]


class Lineage:
    """A flow run and those that it is a part of."""

    def __init__(self, flow_run_id: UUID | str) -> None:
        self._first = UUID(str(flow_run_id))
        self._ids: tuple[UUID, ...] | None = None

    def ids(self, client: SyncPrefectClient) -> tuple[UUID, ...]:
        """Return all of them, which are asked for once; none where one is not known any more."""
        if self._ids is None:
            try:
                self._ids = tuple(self._read(client))
            except ObjectNotFound:
                return ()
        return self._ids

    def _read(self, client: SyncPrefectClient) -> Iterator[UUID]:
        flow_run_id: UUID | None = self._first
        while flow_run_id is not None:
            flow_run = client.read_flow_run(flow_run_id)
            yield flow_run.id
            parent = _parent_task_run(flow_run)
            flow_run_id = None if parent is None else client.read_task_run(parent).flow_run_id


def cancelled_among(lineages: Sequence[Lineage]) -> list[Lineage]:
    """Return those of which a flow run is being cancelled, or was; asked in one call, or a few.

    Works in a thread and where an event loop is being ended; a server that is away is not waited
    for, and raises what its client raises.
    """
    cancelled = set[UUID]()
    with (
        client_retries(0),
        get_client(sync_client=True, httpx_settings={"timeout": 10}) as client,
    ):
        known = [(lineage, lineage.ids(client)) for lineage in lineages]
        for page in _pages(sorted({one for _, ids in known for one in ids})):
            some = FlowRunFilter(id=FlowRunFilterId(any_=page))
            found = client.read_flow_runs(flow_run_filter=some)
            cancelled |= {one.id for one in found if is_cancelled_state(one.state)}
    return [lineage for lineage, ids in known if not cancelled.isdisjoint(ids)]


def _parent_task_run(flow_run: FlowRun) -> UUID | None:
    return None if RESUMES_FOR_OTHERS in flow_run.tags else flow_run.parent_task_run_id


async def was_cancelled(client: PrefectClient, flow_run: FlowRun) -> bool:
    """Return whether a flow run or one that it is a part of is being cancelled, or was."""
    while not is_cancelled_state(flow_run.state):
        parent = _parent_task_run(flow_run)
        if parent is None:
            return False
        try:
            flow_run_id = (await client.read_task_run(parent)).flow_run_id
            if flow_run_id is None:
                return False
            flow_run = await client.read_flow_run(flow_run_id)
        except ObjectNotFound:
            return False  # deleted meanwhile
    return True


async def last_flow_runs(
    client: PrefectClient, runs: Collection[tuple[str, str | None]], db: Database
) -> dict[str, FlowRun]:
    """Return the last flow run of each run, given as its id and the flow run it names, by run id.

    That is the flow run that took it last, or one that was asked of a worker for it since.
    """
    found: dict[str, FlowRun] = {}
    taken = {one: run_id for run_id, one in runs if one is not None and _is_uuid(one)}
    for ids in _pages(list(taken)):
        by_id = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(one) for one in ids]))
        for flow_run in await client.read_flow_runs(flow_run_filter=by_id):
            found[taken[str(flow_run.id)]] = flow_run
    ours = submission_prefix(db)
    for names in _pages([run_id for run_id, _ in runs]):
        named = FlowRunFilter(name=FlowRunFilterName(any_=names))
        async for flow_run in flow_runs(client, flow_run_filter=named):
            if not (flow_run.idempotency_key or "").startswith(ours):
                continue
            known = found.get(flow_run.name)
            if known is None or _began(flow_run) > _began(known):
                found[flow_run.name] = flow_run
    return found


def submission_prefix(db: Database) -> str:
    """Return what the idempotency keys of flow runs begin with that workers are asked for."""
    return f"autopack:{database_label(db)}:"


async def flow_runs(
    client: PrefectClient,
    flow_filter: FlowFilter | None = None,
    flow_run_filter: FlowRunFilter | None = None,
) -> AsyncGenerator[FlowRun]:
    """Yield every flow run that the filters let through, page by page."""
    seen: set[UUID] = set()
    while True:
        page = await client.read_flow_runs(
            flow_filter=flow_filter,
            flow_run_filter=flow_run_filter,
            sort=FlowRunSort.ID_DESC,  # what has no order may be cut differently each time
            limit=PAGE,
            offset=len(seen),
        )
        for flow_run in _new(page, seen):
            yield flow_run
        if len(page) < PAGE:
            return


def _pages(all_: list[One]) -> Iterator[list[One]]:
    for begin in range(0, len(all_), PAGE):
        yield all_[begin : begin + PAGE]


def _new(page: Iterable[FlowRun], seen: set[UUID]) -> Iterator[FlowRun]:
    for flow_run in page:
        if flow_run.id not in seen:
            seen.add(flow_run.id)
            yield flow_run


def _began(flow_run: FlowRun) -> float:
    at = flow_run.expected_start_time or flow_run.created
    return at.timestamp() if at is not None else 0.0


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
