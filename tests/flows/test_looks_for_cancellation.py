"""Many flow runs of a process ask in one call whether they were cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from support.api_calls import counted

from autopack.model.errors import DatabaseRefused
from tasks.verdicts import Lineage, cancelled_among

pytestmark = pytest.mark.usefixtures("prefect_server")

MANY = 12


@pytest.fixture
async def family() -> list[UUID]:
    """A flow run and those of its dozen subflows, which Prefect believes to be at work."""
    from prefect import flow, get_client
    from prefect.runtime import flow_run
    from prefect.states import Running

    found = list[UUID]()

    @flow(name="child", persist_result=False)
    async def child() -> None:
        found.append(UUID(flow_run.get_id()))

    @flow(name="parent", persist_result=False)
    async def parent() -> None:
        found.append(UUID(flow_run.get_id()))
        for _ in range(MANY):
            await child()

    await parent()
    async with get_client() as client:
        for one in found:
            await client.set_flow_run_state(one, Running(), force=True)
    return found


async def cancel(flow_run_id: UUID) -> None:
    from prefect import get_client
    from prefect.states import Cancelling

    async with get_client() as client:
        await client.set_flow_run_state(flow_run_id, Cancelling(), force=True)


async def among(lineages: list[Lineage]) -> list[Lineage]:
    return await asyncio.to_thread(cancelled_among, lineages)


async def test_each_hears_of_its_own_and_all_of_their_parents(family: list[UUID]) -> None:
    lineages = [Lineage(one) for one in family[1:]]
    assert await among(lineages) == []
    with counted() as calls:
        assert await among(lineages) == []
    assert _asked(calls) == {"POST /flow_runs/filter": 1}
    await cancel(family[4])
    assert await among(lineages) == [lineages[3]]
    await cancel(family[0])
    assert await among(lineages) == lineages


async def test_one_that_the_server_forgot_keeps_nothing_from_the_others(
    family: list[UUID],
) -> None:
    await cancel(family[1])
    known, forgotten = Lineage(family[1]), Lineage(uuid4())
    assert await among([forgotten, known]) == [known]


async def test_those_who_watch_share_the_looks(family: list[UUID]) -> None:
    from flows.cancelling import until_cancelled

    waiting = [asyncio.create_task(until_cancelled(Lineage(one), 0.2)) for one in family[1:]]
    await asyncio.sleep(1.5)  # their lineages are known
    with counted() as calls:
        await asyncio.sleep(1.0)
    assert 1 <= _asked(calls)["POST /flow_runs/filter"] <= 5
    await cancel(family[2])
    async with asyncio.timeout(60):
        await waiting[1]
    assert [one.done() for one in waiting].count(True) == 1
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_who_is_to_be_cancelled_is_asked_until_the_database_takes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prefect import flow

    from flows import cancelling

    class Refused(cancelling.Watched):
        asked = 0

        def cancel(self) -> None:
            self.asked += 1
            self.cancelled = True
            if self.asked < 3:
                raise DatabaseRefused("the database is locked")

    async def at_once(*_: object) -> None:
        pass

    monkeypatch.setattr(cancelling, "until_cancelled", at_once)
    watched = Refused(None)  # pyright: ignore[reportArgumentType] - it is not written to

    @flow(name="cancelled-later", persist_result=False)
    async def watching() -> None:
        await cancelling._watch(  # pyright: ignore[reportPrivateUsage]
            watched, Lineage(uuid4()), 0.01
        )

    await watching()
    assert watched.asked == 3


def _asked(calls: Any) -> dict[str, int]:
    return {path: count for path, count in calls.items() if path in _OURS}


_OURS = {"POST /flow_runs/filter", "GET /flow_runs/ID", "GET /task_runs/ID"}


@pytest.fixture(autouse=True)
def a_look_of_its_own() -> Iterator[None]:
    """Another test of this event loop may have begun to look less often."""
    from flows import cancelling

    cancelling._looks.clear()  # pyright: ignore[reportPrivateUsage]
    yield
    cancelling._looks.clear()  # pyright: ignore[reportPrivateUsage]
