"""A/B experiments: pairs of runs, one after the other or several at once, until enough is known."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from prefect import get_run_logger

from autopack.experiments.concluding import enough
from autopack.experiments.design.added_budget import OUT_OF_BUDGET
from autopack.experiments.design.cautions import cautions
from autopack.experiments.design.layout import ARM_NAMES
from autopack.experiments.design.registration import Registered
from autopack.experiments.design.replacement import replace_as_planned
from autopack.experiments.replicating import plan_replicates
from autopack.model.errors import BadInput
from autopack.runs.session.session import is_stopping
from autopack.store.database.engine import Database
from autopack.store.experiment_records import (
    PairRow,
    finish_test,
    get_pairs,
    get_test,
    start_pair,
)
from autopack.store.reading import get_run
from flows.cancelling import Watched, cancel_its_runs, declare, heeding
from flows.executors import Execution, check_executor, execute_stored
from flows.naming import rename
from flows.opening import application
from flows.parameters import (
    DatabaseBlock,
    DeploymentName,
    ExecutorName,
    Number,
    Text,
    check_at_once,
)
from flows.returning import cancelled
from flows.starting import started_flow
from tasks.experimenting import conclude_experiment, judge_pair, prepare_arm, register_experiment
from tasks.reporting import emit_experiment


@started_flow("ab-experiment", on_cancellation=[cancel_its_runs])
async def ab_experiment(
    spec: str,
    max_concurrent_pairs: Number = None,
    executor: ExecutorName = "inline",
    push: Text = None,
    deployment: DeploymentName = None,
    add_budget: Text = None,
    replace_void: bool = False,
    database: DatabaseBlock = None,
) -> dict[str, Any]:
    """Run pairs of an experiment until the evidence suffices, and return its report.

    An interrupted experiment is resumed: what has run is not run again. One that has
    finished is only analysed again.

    Args:
        spec: The experiment file: a path, a URL, or its text.
        max_concurrent_pairs: How many pairs run at once; default: what the file says.
        push: A remote of the repository, a path or a URL: every attempt of both arms is pushed
            there. It is not part of the experiment, and may change when that is resumed.
        add_budget: What to add to the budget of an experiment, which is then resumed: tokens=N,
            cost=N, minutes=N, with commas between them.
        replace_void: Run the void pairs of an experiment again and resume it.
    """
    if not spec.strip():
        raise BadInput("an experiment needs its file: fill in the field spec", field="spec")
    check_at_once(max_concurrent_pairs, "max_concurrent_pairs")
    await check_executor(executor, deployment)
    async with application(database) as (db, settings), heeding(db, settings) as watched:
        registered = await register_experiment(
            spec,
            db,
            settings,
            push,
            more_budget=[add_budget] if add_budget else [],
            void_again=replace_void,
        )
        await rename(registered.test_id)
        await declare(db, registered.test_id)
        pairs = get_pairs(db, registered.test_id)
        watched.add([run_id for pair in pairs for run_id in pair.runs])
        log = get_run_logger()
        for caution in cautions(registered):
            log.warning("%s", caution)
        if not registered.finished:
            at_once = max_concurrent_pairs or registered.declared.concurrency
            start = partial(ab_pair, executor=executor, deployment=deployment, database=database)
            await _run_pairs(registered, db, at_once, start, watched)
        if watched.cancelled:
            unfinished = {"test_id": registered.test_id, "finished": False}
            return cancelled(unfinished)  # pyright: ignore[reportReturnType]
        analysis = await conclude_experiment(registered, db, settings)
        if analysis is None:
            return {"test_id": registered.test_id, "finished": False}
        log.info("%s: %s", registered.test_id, analysis.sentence)
        if not registered.finished:
            emit_experiment(
                "experiment.decided",
                registered.test_id,
                decision=str(analysis.decision),
                sentence=analysis.sentence,
                pairs=analysis.n_pairs,
            )
        return analysis.model_dump(mode="json")


@started_flow("ab-pair", flow_run_name="pair {number} of {test_id}")
async def ab_pair(
    test_id: str,
    number: int,
    executor: ExecutorName = "inline",
    push: Text = None,
    deployment: DeploymentName = None,
    database: DatabaseBlock = None,
) -> dict[str, Any]:
    """Run both arms of one pair of a registered experiment, and judge the pair.

    Arms that have run are not run again. Returns the pair; not yet judged when it was interrupted.

    Args:
        test_id: The experiment.
        number: The pair, counted from 1 in planned order.
        push: A remote of the repository, a path or a URL that runs not stored yet are pushed to.
    """
    async with application(database) as (db, settings), heeding(db, settings) as watched:
        registered = Registered.of(get_test(db, test_id)).pushed_to(push)
        pair = _pair(db, test_id, number)
        watched.add(pair.runs)
        order = ARM_NAMES[::-1] if pair.first == "treatment" else ARM_NAMES
        runs = [await prepare_arm(registered, pair, arm, db, settings) for arm in order]
        watched.add(runs)  # once more, now that they are stored
        where = Execution(executor, deployment, db, settings, database)
        execute = partial(execute_stored, where=where, tag=f"ab:{test_id}")
        if pair.first == "together":
            await asyncio.gather(*(execute(run) for run in runs))
        else:
            for run in runs:
                await execute(run)
                if not get_run(db, run).state.is_final:
                    break
        if not await watched.was_cancelled(runs) and all(
            get_run(db, run).state.is_final for run in runs
        ):
            await judge_pair(registered, pair, db)
        return _pair_view(_pair(db, test_id, number))


async def _run_pairs(
    registered: Registered,
    db: Database,
    at_once: int,
    start: Callable[..., Coroutine[Any, Any, dict[str, Any]]],
    watched: Watched,
) -> None:
    """Start pairs in planned order, ``at_once`` of them at a time, until there is a reason not to.

    Pairs that were started are brought to their end: they were paid for and they count.
    """
    waiting: list[int] = []
    begun: set[int] = set()

    def look() -> str | None:
        """Plan void pairs again as far as that may be, and say why no further pair is needed."""
        row = get_test(db, registered.test_id)
        replace_as_planned(db, row, registered.declared.planned)
        plan_replicates(db, registered)
        pairs = get_pairs(db, registered.test_id)
        waiting[:] = [
            one.number for one in pairs if one.finished_at is None and one.number not in begun
        ]
        return enough(db, registered)

    running: set[asyncio.Task[dict[str, Any]]] = set()
    reason = await asyncio.to_thread(look)
    interrupted = False
    failures: list[BaseException] = []
    while True:
        while waiting and len(running) < at_once and not (interrupted or failures):
            pair = _pair(db, registered.test_id, waiting[0])
            if pair.started_at is None:
                if reason is not None:
                    break
                if not _has_room(registered, pair, db):
                    if not running:
                        reason = f"{OUT_OF_BUDGET} left no room for pair {pair.number}"
                    break
            begun.add(waiting.pop(0))
            push = registered.remote.name if registered.remote else None
            flow_run = start(registered.test_id, pair.number, push=push)
            running.add(asyncio.create_task(flow_run))
        if not running:
            break
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            error = task.exception()
            if error is not None:
                failures.append(error)
            elif task.result()["finished_at"] is None:
                interrupted = True
        interrupted |= is_stopping() or watched.cancelled
        if reason is None:
            reason = await asyncio.to_thread(look)
    if failures:
        raise failures[0]
    if not interrupted and reason is not None:
        finish_test(db, registered.test_id, reason)


def _has_room(registered: Registered, pair: PairRow, db: Database) -> bool:
    """Set aside what the pair may spend; False when the experiment's budget has not that much."""
    limits = registered.limits
    return start_pair(
        db,
        pair,
        reserve=registered.reserve(pair),
        cap=limits.tokens,
        cost=limits.cost,
        minutes=limits.minutes,
    )


def _pair(db: Database, test_id: str, number: int) -> PairRow:
    return next(pair for pair in get_pairs(db, test_id) if pair.number == number)


def _pair_view(pair: PairRow) -> dict[str, Any]:
    return {
        "pair_id": f"{pair.number:04d}",
        "control_run_id": pair.control_run_id,
        "treatment_run_id": pair.treatment_run_id,
        "first": pair.first,
        "finished_at": pair.finished_at.isoformat() if pair.finished_at else None,
        "is_valid": pair.is_valid,
        "warnings": pair.warnings or [],
        "errors": pair.errors or [],
    }
