"""Replay campaigns: finished runs again, with their own features and with others, compared."""

import asyncio
from typing import Any

from prefect import get_run_logger
from prefect.runtime import flow_run as current_flow_run

from autopack.campaigns.compare import unfinished
from autopack.campaigns.planning import PlannedCampaign, ReplayRequest, plan_campaign
from autopack.clock import SystemClock
from autopack.views.fleet_result import FleetItem
from flows.cancelling import cancel_its_runs, declare, heeding
from flows.executors import Execution, check_executor
from flows.fleet import execute_all
from flows.naming import origin
from flows.opening import application
from flows.parameters import (
    AtOnce,
    DatabaseBlock,
    DeploymentName,
    ExecutorName,
    Names,
    Number,
    Push,
    Text,
    check_at_once,
)
from flows.returning import cancelled
from flows.starting import started_flow
from tasks.replaying import report_on_replays, store_replays


def _campaign_name() -> str:
    asked: str | None = current_flow_run.get_parameters().get("name")
    if asked:
        return asked
    found = origin()
    return f"replay-{found.unique if found else ''}"


@started_flow(
    "replay-campaign",
    flow_run_name=_campaign_name,
    on_cancellation=[cancel_its_runs],
)
async def replay_campaign(
    state: str = "FAILED",
    since: Text = None,
    until: Text = None,
    run_id: Names = None,
    campaign: Text = None,
    enable: Names = None,
    disable: Names = None,
    max_concurrent_runs: AtOnce = 3,
    no_baseline: bool = False,
    dry_run: bool = False,
    executor: ExecutorName = "inline",
    token_cap: Number = None,
    name: Text = None,
    database: DatabaseBlock = None,
    push: Push = None,
    deployment: DeploymentName = None,
) -> dict[str, Any]:
    """Run finished runs again and say what other features bring.

    Each is run twice: as it was (the baseline) and with the features of the candidate, for of
    failed runs some succeed a second time whatever is changed. Runs whose repository or recording
    is gone are skipped, and named with the reason. Returns the report; while runs have not ended
    ``campaign``, ``finished`` (false), their ids as ``unfinished`` and, as ``unfinished_runs``,
    run_id, state and error of each; in a dry run the selection.

    Args:
        state: Runs that ended in this state; FAILED means any failed state.
        since: Only runs finished on or after this UTC date, or within an age such as 7d.
        until: Only runs finished on or before this UTC date.
        run_id: These runs, whatever their state.
        campaign: Runs of this campaign.
        enable: Features to turn on in the candidate.
        disable: Features to turn off in the candidate.
        no_baseline: Only run the candidate; the report then cannot tell its effect from chance.
        dry_run: Only show what would be run and what it may cost.
        token_cap: The most tokens of all replays together; default: the sum of their caps,
            or, for a campaign that is resumed, the cap that it has.
        name: A name for the campaign. The name of an interrupted one resumes it, with the
            runs and features that it began with: others are refused.
        push: A remote of the repository, a path or a URL: every attempt is pushed there. Replays
            are not pushed unless it is set, not even replays of runs that were.
    """
    check_at_once(max_concurrent_runs, "max_concurrent_runs")
    await check_executor(executor, deployment)
    called = _campaign_name()
    asked = ReplayRequest(
        state=state,
        since=since,
        until=until,
        run_ids=tuple(run_id or ()),
        campaign=campaign,
        enable=tuple(enable or ()),
        disable=tuple(disable or ()),
        baseline=not no_baseline,
        token_cap=token_cap,
        push=push,
    )
    async with application(database) as (db, settings), heeding(db, settings) as watched:
        now, home = SystemClock().now(), settings.home
        planned = await asyncio.to_thread(plan_campaign, db, called, asked, now=now, home=home)
        if dry_run:
            return planned.as_json()
        for one in planned.left_out:
            get_run_logger().warning("%s is skipped: %s", one.run_id, one.reason)
        await declare(db, called)
        replays = await store_replays(db, planned)
        where = Execution(executor, deployment, db, settings, database)
        items = await execute_all(replays, watched, where, name=called, at_once=max_concurrent_runs)
        left = unfinished(db, planned.campaign, without=planned.without)
        if left or watched.cancelled:
            stands = _as_it_stands(planned, [item for item in items if item.run_id in left])
            return cancelled(stands) if watched.cancelled else stands  # pyright: ignore[reportReturnType]
        report = await report_on_replays(db, planned, settings)
        get_run_logger().info("%s", report.sentence)
        return {"finished": True, **report.model_dump(mode="json")}


def _as_it_stands(planned: PlannedCampaign, left: list[FleetItem]) -> dict[str, Any]:
    """Return what a campaign answers while runs of it have not ended."""
    for item in left:
        get_run_logger().warning("%s is %s: %s", item.run_id, item.state, item.error or "stopped")
    return {
        "campaign": planned.campaign.campaign_id,
        "finished": False,
        "unfinished": [item.run_id for item in left],
        "unfinished_runs": [
            {"run_id": item.run_id, "state": item.state, "error": item.error} for item in left
        ],
        "left_out": [one.model_dump() for one in planned.left_out],
    }
