"""More flow runs than a server lists at once, and more than are wanted."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from deployments.setting_up import declared_deployments

pytestmark = pytest.mark.parametrize("engine_name", ["sqlite"])


async def test_every_page_is_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

    from flows import maintain
    from tasks import verdicts

    monkeypatch.setattr(verdicts, "PAGE", 2)
    name = f"page-{uuid4().hex[:8]}"
    named = FlowRunFilter(name=FlowRunFilterName(any_=[name]))
    async with get_client() as client:
        made = {(await client.create_flow_run(maintain, name=name)).id for _ in range(5)}
        found = [one.id async for one in verdicts.flow_runs(client, None, named)]
    assert (len(found), set(found)) == (5, made)


async def test_what_is_late_when_a_pool_was_paused_does_not_run_all_at_once(home: Path) -> None:
    from prefect import get_client
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyOptions
    from prefect.states import Pending, Scheduled

    from flows import reconcile

    declared = next(d for d in declared_deployments() if d.full_name == "reconcile/reconcile")
    limit = ConcurrencyLimitConfig.model_validate(declared.concurrency_limit)
    async with get_client() as client:
        deployment = await client.create_deployment(
            await client.create_flow(reconcile),
            name=f"late-{uuid4().hex[:8]}",
            concurrency_limit=limit.limit,
            concurrency_options=ConcurrencyOptions(collision_strategy=limit.collision_strategy),
        )
        late = [
            (await client.create_flow_run_from_deployment(deployment, state=Scheduled())).id
            for _ in range(3)
        ]
        for flow_run_id in late:  # what a worker does that takes all of them
            await client.set_flow_run_state(flow_run_id, Pending())
        states = [(await client.read_flow_run(one)).state_name for one in late]
    assert states == ["Pending", "Cancelled", "Cancelled"]
