"""Many runs: at most so many at once, each on its own, their results in order."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from prefect import get_run_logger
from prefect.runtime import flow_run as current_flow_run

from autopack.clock import SystemClock
from autopack.model.errors import AutopackError, BadInput
from autopack.model.ids import check_id
from autopack.runs.prepare.prepare import check_remote
from autopack.runs.session.session import is_stopping
from autopack.views.fleet_result import FleetItem, item_of, refused
from flows.cancelling import Watched, cancel_its_runs, declare, heeding
from flows.executors import Execution, check_executor, execute_stored
from flows.naming import origin
from flows.opening import application
from flows.parameters import (
    Asked,
    AtCap,
    AtOnce,
    Builder,
    BuilderOptions,
    Commit,
    DatabaseBlock,
    DeploymentName,
    ExecutorName,
    Features,
    Model,
    Names,
    Push,
    Repo,
    Text,
    TokenCap,
    check_at_once,
)
from flows.returning import cancelled
from flows.starting import started_flow
from flows.turns import MOST_AHEAD, Turns
from tasks.preparing import prepare_run
from tasks.watching import FleetBoard, publish_fleet


def fleet_name() -> str:
    """Return what the fleet and its runs are called: as asked for, else after its flow run."""
    asked: str | None = current_flow_run.get_parameters().get("run_id")
    if asked:
        return asked
    found = origin()
    return f"fleet-{found.unique if found else ''}"


@started_flow(
    "execute-runs",
    flow_run_name=fleet_name,
    on_cancellation=[cancel_its_runs],
)
async def execute_runs(
    plans: Names = None,
    repo: Repo = None,
    max_concurrent_runs: AtOnce = 3,
    executor: ExecutorName = "inline",
    commit: Commit = None,
    builder: Builder = None,
    builder_options: BuilderOptions = "",
    model: Model = None,
    features: Features = None,
    token_cap: TokenCap = None,
    at_cap: AtCap = "fail",
    run_id: Text = None,
    database: DatabaseBlock = None,
    run_ids: Names = None,
    push: Push = None,
    deployment: DeploymentName = None,
) -> list[dict[str, Any]]:
    """Execute many plans, or resume many runs; a failure of one does not affect the others.

    Returns one result for each plan, then for each run id, in the order they were given:
    run_id, success, state, error, started_at, finished_at, workspace_path and tokens. The same
    fleet started again (by its name, or by a retry) resumes what has not ended.

    Args:
        plans: The plans: paths, URLs, or their texts.
        repo: The git repository of the plans: a path or a URL.
        run_id: A name for the fleet; its runs are called NAME-1, NAME-2 and so on.
        run_ids: Stored runs to execute or to resume.
    """
    if not plans and not run_ids:
        raise BadInput(
            "a fleet needs plans or runs: fill in the field plans, or run_ids", field="plans"
        )
    check_at_once(max_concurrent_runs, "max_concurrent_runs")
    name = check_id(fleet_name(), "run_id")
    await check_executor(executor, deployment)
    async with application(database) as (db, settings), heeding(db, settings) as watched:
        await declare(db, name)
        remote = None
        if push is not None:
            # Before anything is stored: a bad one is no fault of any of the plans.
            remote = await asyncio.to_thread(
                check_remote,
                push,
                repo=repo or ".",
                commit=commit,
                run_ids=[f"{name}-{number + 1}" for number in range(len(plans or ()))],
                db=db,
                settings=settings,
            )
        asked = Asked(
            repo=repo,
            commit=commit,
            builder=builder,
            builder_options=builder_options,
            model=model,
            features=features,
            token_cap=token_cap,
            at_cap=at_cap,
            push=remote,
        )
        entries: list[str | FleetItem] = []
        for number, plan in enumerate(plans or (), start=1):
            try:
                one = replace(asked, plan=plan, run_id=f"{name}-{number}")
                entries.append(await prepare_run(await one.request(db, settings), db, settings))
            except AutopackError as error:
                entries.append(refused(f"{name}-{number}", error))
        entries += run_ids or ()
        where = Execution(executor, deployment, db, settings, database)
        items = await execute_all(entries, watched, where, name=name, at_once=max_concurrent_runs)
        await publish_fleet(name, items, db)
    results = [item.as_json() for item in items]
    return cancelled(results) if watched.cancelled else results  # pyright: ignore[reportReturnType]


async def execute_all(
    entries: Sequence[str | FleetItem],
    watched: Watched,
    where: Execution,
    *,
    name: str,
    at_once: int,
) -> list[FleetItem]:
    """Execute stored runs, given by their ids, ``at_once`` of them at most; results in order.

    An entry that is a result already stays what it is; the others are ``watched``. ``name`` tags
    the flow runs, and the progress of all is shown under it.
    """
    if not entries:
        return []
    # Those in this process begin at once.
    ahead = 0 if where.executor == "inline" else MOST_AHEAD
    turns = Turns(where.db, name, at_once, ahead=ahead)
    if ahead:
        where = replace(where, turns=turns)
    watched.add([entry for entry in entries if isinstance(entry, str)])
    board = FleetBoard(name, entries, where.db, SystemClock())

    async def one(entry: str | FleetItem) -> FleetItem:
        return entry if isinstance(entry, FleetItem) else await execute(entry)

    async def execute(run_id: str) -> FleetItem:
        async with turns.place(run_id):
            try:
                if not is_stopping():
                    await execute_stored(run_id, where, tag=f"fleet:{name}")
                    # Before its slot is free for another one.
                    await watched.was_cancelled([run_id])
                return item_of(where.db, where.settings, run_id)
            except Exception as error:
                get_run_logger().warning("run %s: %s", run_id, error)
                return item_of(where.db, where.settings, run_id, error)

    async with turns.kept(), board.kept():
        return list(await asyncio.gather(*(one(entry) for entry in entries)))
