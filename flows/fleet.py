"""Many runs: at most so many at once, each on its own, their results in order."""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

from prefect import get_run_logger
from prefect.runtime import flow_run as current_flow_run

from autopack.clock import SystemClock
from autopack.model.errors import AutopackError, BadInput
from autopack.model.ids import check_id
from autopack.runs.prepare.prepare import check_remote
from autopack.runs.session.session import is_stopping
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.views.fleet_result import FleetItem, item_of, refused
from flows.cancelling import Watched, cancel_its_runs, declare, heeding
from flows.executors import Executor, check_executor, execute_stored
from flows.naming import origin
from flows.opening import application, request
from flows.returning import cancelled
from flows.starting import started_flow
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
    plans: list[str] | None = None,
    repo: str | None = None,
    max_concurrent_runs: int = 3,
    executor: Literal["inline", "process", "deployment"] = "inline",
    commit: str | None = None,
    builder: str | None = None,
    builder_options: str = "",
    model: str | None = None,
    features: list[str] | None = None,
    token_cap: int | None = None,
    at_cap: Literal["fail", "ask"] = "fail",
    run_id: str | None = None,
    database: str | None = None,
    run_ids: list[str] | None = None,
    push: str | None = None,
    deployment: str | None = None,
) -> list[dict[str, Any]]:
    """Execute many plans, or resume many runs; a failure of one does not affect the others.

    Returns one result for each plan, then for each run id, in the order they were given:
    run_id, success, state, error, started_at, finished_at, workspace_path and tokens. The same
    fleet started again (by its name, or by a retry) resumes what has not ended.

    Args:
        plans: The plans: paths, URLs, or their texts.
        repo: The git repository of the plans: a path or a URL.
        max_concurrent_runs: How many runs at most at the same time.
        executor: inline in this process, each in an operating-system process of its own, or each
            as a deployment on a work pool.
        commit: The revision to start from; default: HEAD.
        builder: The coding agent that builds; default: `script`.
        builder_options: Its options, one KEY=VALUE a line.
        model: The model it uses; default: the plan's.
        features: Features to turn on; one with a minus sign before it is turned off.
        token_cap: The most tokens each run may spend; default: the plan's.
        at_cap: At a cap, fail the run or ask a person.
        run_id: A name for the fleet; its runs are called NAME-1, NAME-2 and so on.
        database: An Autopack Database block; default: DATABASE_URL, else the home's.
        run_ids: Stored runs to execute or to resume.
        push: A remote of the repository, a path or a URL: every attempt at the plans is pushed
            there, so that another machine can resume their runs.
        deployment: With that executor, the deployment of execute_run; default:
            execute-run/run.
    """
    if max_concurrent_runs < 1:
        raise BadInput(
            f"max_concurrent_runs is {max_concurrent_runs}", field="max", hint="use 1 or more"
        )
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
        entries: list[str | FleetItem] = []
        for number, plan in enumerate(plans or (), start=1):
            try:
                wanted = await request(
                    plan=plan,
                    repo=repo,
                    commit=commit,
                    builder=builder,
                    builder_options=builder_options,
                    model=model,
                    features=features,
                    token_cap=token_cap,
                    at_cap=at_cap,
                    run_id=f"{name}-{number}",
                    push=remote,
                )
                entries.append(await prepare_run(wanted, db, settings))
            except AutopackError as error:
                entries.append(refused(f"{name}-{number}", error))
        entries += run_ids or ()
        items = await execute_all(
            entries,
            watched,
            name=name,
            executor=executor,
            at_once=max_concurrent_runs,
            db=db,
            settings=settings,
            database=database,
            deployment=deployment,
        )
        await publish_fleet(name, items, db)
    results = [item.as_json() for item in items]
    return cancelled(results) if watched.cancelled else results  # pyright: ignore[reportReturnType]


async def execute_all(
    entries: Sequence[str | FleetItem],
    watched: Watched,
    *,
    name: str,
    executor: Executor,
    at_once: int,
    db: Database,
    settings: Settings,
    database: str | None,
    deployment: str | None = None,
) -> list[FleetItem]:
    """Execute stored runs, given by their ids, ``at_once`` of them at most; results in order.

    An entry that is a result already stays what it is; the others are ``watched``. ``name`` tags
    the flow runs, and how all of them stand is shown under it.
    """
    slots = asyncio.Semaphore(at_once)
    if not entries:
        return []
    watched.add([entry for entry in entries if isinstance(entry, str)])
    board = FleetBoard(name, entries, db, SystemClock())

    async def one(entry: str | FleetItem) -> FleetItem:
        return entry if isinstance(entry, FleetItem) else await execute(entry)

    async def execute(run_id: str) -> FleetItem:
        async with slots:
            try:
                if not is_stopping():
                    await execute_stored(
                        run_id,
                        executor,
                        db=db,
                        settings=settings,
                        database=database,
                        tag=f"fleet:{name}",
                        deployment=deployment,
                    )
                    # Before its slot is free for another one.
                    await watched.was_cancelled([run_id])
                return item_of(db, settings, run_id)
            except Exception as error:
                get_run_logger().warning("run %s: %s", run_id, error)
                return item_of(db, settings, run_id, error)

    async with board.kept():
        return list(await asyncio.gather(*(one(entry) for entry in entries)))
