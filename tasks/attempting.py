"""The tasks of an attempt, in order."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

from prefect import task
from prefect.cache_policies import NO_CACHE

from autopack.model.causes import Failure
from autopack.repair.decide import Decision, Prescription
from autopack.runs import attempt as steps
from autopack.runs.repair import mitigate
from autopack.runs.repair.consult import Outcome, consult
from autopack.runs.session.session import held
from autopack.store.rows import AttemptRow


@task(
    name="start attempt",
    task_run_name="start an attempt at {phase_id}",
    cache_policy=NO_CACHE,
    tags=["autopack"],
)
async def start_attempt(run_id: str, phase_id: str) -> AttemptRow | Decision:
    """Start the next attempt, or pick up one that was built before a death."""
    return await asyncio.to_thread(steps.begin, held(run_id), phase_id)


@task(
    name="wait to start",
    task_run_name="{phase_id} waits {seconds:.0f} s",
    cache_policy=NO_CACHE,
    tags=["autopack"],
)
async def wait_to_start(run_id: str, phase_id: str, seconds: float, idle: bool = False) -> None:
    """Wait until a deferred phase may be tried again, or the run is stopped.

    An ``idle`` wait spends nothing of the run's minutes.
    """
    session = held(run_id)
    with session.keeper.idle() if idle else nullcontext():
        await session.switch.guard(asyncio.sleep(seconds))


@task(
    name="build",
    task_run_name="build attempt {attempt}",
    cache_policy=NO_CACHE,
    tags=["autopack", "autopack-builder"],
)
async def build_attempt(run_id: str, phase_id: str, attempt: int) -> str | None:
    """Let the builder change the worktree; commit what it left, record what it spent.

    Returns the circuit that its failure opened.
    """
    return await steps.build(held(run_id), phase_id, attempt)


@task(
    name="validate",
    task_run_name="validate attempt {attempt}",
    cache_policy=NO_CACHE,
    tags=["autopack"],
)
async def validate_attempt(run_id: str, phase_id: str, attempt: int) -> Failure | None:
    """Judge the attempt's commit by its scope, its deliverables and its checks."""
    return await steps.validate(held(run_id), phase_id, attempt)


@task(
    name="mitigate",
    task_run_name="meet the failure of attempt {attempt}",
    cache_policy=NO_CACHE,
    tags=["autopack"],
)
async def mitigate_attempt(
    run_id: str, phase_id: str, attempt: int, failure: Failure
) -> Failure | None:
    """Meet a known failure without a model; return the failure that is left."""
    return await mitigate.mitigate(held(run_id), phase_id, attempt, failure)


@task(
    name="consult",
    task_run_name="consult about attempt {attempt}",
    cache_policy=NO_CACHE,
    tags=["autopack"],
)
async def consult_doctor(run_id: str, phase_id: str, attempt: int, failure: Failure) -> Outcome:
    """Ask a doctor about a failed attempt, when the rules say so."""
    return await consult(held(run_id), phase_id, attempt, failure)


@task(
    name="conclude",
    task_run_name="conclude attempt {attempt}",
    cache_policy=NO_CACHE,
    tags=["autopack"],
)
async def conclude_attempt(
    run_id: str,
    phase_id: str,
    attempt: int,
    failure: Failure | None,
    prescription: Prescription | None = None,
) -> Decision:
    """Record the verdict and decide what follows."""
    return await asyncio.to_thread(
        steps.conclude, held(run_id), phase_id, attempt, failure, prescription
    )
