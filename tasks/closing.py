"""Tasks that close runs from outside: cancelled by a person, here or in Prefect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from prefect import get_client, get_run_logger
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound

from autopack.campaigns.lanes import replays_of
from autopack.clock import SystemClock
from autopack.model.errors import AutopackError
from autopack.model.states import RunState
from autopack.runs.finish.finish import cancel, end_abandoned
from autopack.settings import Settings
from autopack.store.cancelling import request_cancel_of, unheld_runs
from autopack.store.database.engine import Database
from autopack.store.experiment_records import get_pairs
from autopack.store.rows import RunRow
from autopack.store.runs import find_run
from tasks.step import step
from tasks.verdicts import database_label, flow_runs, last_flow_runs, was_cancelled

CAMPAIGNS = FlowFilter(
    name=FlowFilterName(any_=["execute-runs", "ab-experiment", "replay-campaign"])
)
RECENT = timedelta(days=2)
"""Of campaigns that began longer ago, a person decides."""

DATABASE_LABEL = "autopack.database"
NAME_LABEL = "autopack.name"
"""Labels by which a campaign's flow run says which database it works on and what it is called."""

_WHY = "cancelled in Prefect"


@step("cancel runs")
async def cancel_runs(run_ids: Sequence[str], db: Database, settings: Settings) -> None:
    """End runs DONE_CANCELLED, wherever they are; those that have ended stay what they are."""

    async def one(run_id: str) -> None:
        try:
            await asyncio.to_thread(cancel, run_id, db=db, settings=settings, clock=SystemClock())
        except AutopackError as error:
            get_run_logger().info("run %s was not cancelled: %s", run_id, error.message)

    # All of them first: a fleet must not begin with the next one while this one is being ended.
    await asyncio.to_thread(request_cancel_of, db, run_ids)
    await asyncio.gather(*(one(run_id) for run_id in run_ids))


def close_now(run_ids: Iterable[str], db: Database, settings: Settings) -> None:
    """Ask for the end of runs, and end those that nobody works on, without waiting for others."""
    for run_id in request_cancel_of(db, run_ids):
        with suppress(AutopackError):  # held: its holder ends it
            end_abandoned(
                run_id,
                RunState.DONE_CANCELLED,
                _WHY,
                db=db,
                settings=settings,
                clock=SystemClock(),
            )


@step("close cancelled runs")
async def close_cancelled(db: Database, settings: Settings) -> int:
    """End runs that were cancelled in Prefect, or here, and that nobody is there to end.

    Nothing that Prefect lets a flow run do when it is cancelled is sure to happen: its process
    may be killed before, or its worker be gone.
    """
    async with get_client() as client:
        for campaign in await _cancelled_campaigns(client, db):
            await _request(client, db, campaign)
        unheld = await asyncio.to_thread(unheld_runs, db)
        wanted = [run.run_id for run in unheld if run.cancel_requested_at is not None]
        left = [run for run in unheld if run.cancel_requested_at is None]
        last = await last_flow_runs(client, [(run.run_id, run.flow_run_id) for run in left], db)
        wanted += [
            run_id for run_id, flow_run in last.items() if await was_cancelled(client, flow_run)
        ]
    await asyncio.to_thread(close_now, wanted, db, settings)
    ended = [run_id for run_id in wanted if _has_ended(db, run_id)]
    for run_id in ended:
        get_run_logger().info("run %s: DONE_CANCELLED, as its flow run", run_id)
    return len(ended)


def runs_of_campaign(db: Database, flow: str, flow_run: FlowRun, name: str) -> list[str]:
    """The runs that a campaign has, or is to have; ``flow`` is the name of its flow."""
    if flow == "execute-runs":
        plans = flow_run.parameters.get("plans") or ()
        named = [f"{name}-{number + 1}" for number in range(len(plans))]
        return [*named, *(flow_run.parameters.get("run_ids") or ())]
    if flow == "replay-campaign":
        return [run.run_id for run in replays_of(db, name).values()]
    return [run_id for pair in get_pairs(db, name) for run_id in pair.runs]


async def _cancelled_campaigns(client: PrefectClient, db: Database) -> list[FlowRun]:
    recent = FlowRunFilter(
        state=FlowRunFilterState(
            type=FlowRunFilterStateType(any_=[StateType.CANCELLING, StateType.CANCELLED])
        ),
        expected_start_time=FlowRunFilterExpectedStartTime.model_validate(
            {"after_": SystemClock().now() - RECENT}
        ),
    )
    label = database_label(db)
    return [
        flow_run
        async for flow_run in flow_runs(client, flow_filter=CAMPAIGNS, flow_run_filter=recent)
        if flow_run.labels.get(DATABASE_LABEL) == label
    ]


async def _request(client: PrefectClient, db: Database, campaign: FlowRun) -> None:
    """Ask for the end of a campaign's runs, but for those that somebody began with since."""
    cancelled_at = campaign.state.timestamp if campaign.state else SystemClock().now()
    flow = str(campaign.labels.get("prefect.flow.name") or "")
    if not flow:
        flow = (await client.read_flow(campaign.flow_id)).name
    name = str(campaign.labels.get(NAME_LABEL) or campaign.name)
    for run_id in await asyncio.to_thread(runs_of_campaign, db, flow, campaign, name):
        run = await asyncio.to_thread(find_run, db, run_id)
        if run is None or run.state.is_final or run.cancel_requested_at is not None:
            continue
        if run.created_at < cancelled_at and not await _taken_since(client, run, cancelled_at):
            await asyncio.to_thread(request_cancel_of, db, [run_id])


async def _taken_since(client: PrefectClient, run: RunRow, at: datetime) -> bool:
    if run.flow_run_id is None:
        return False
    try:
        began = (await client.read_flow_run(UUID(run.flow_run_id))).expected_start_time
    except (ObjectNotFound, ValueError):
        return False
    return began is not None and began > at


def _has_ended(db: Database, run_id: str) -> bool:
    run = find_run(db, run_id)
    return run is not None and run.state.is_final
