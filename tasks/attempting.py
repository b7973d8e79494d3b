"""The tasks of an attempt, in order."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

from autopack.model.causes import Failure
from autopack.repair.decide import Decision, Prescription
from autopack.runs import attempt as steps
from autopack.runs.repair import mitigate
from autopack.runs.repair.consult import Outcome, consult
from autopack.runs.session.session import held
from autopack.store.rows import AttemptRow
from tasks.step import step


@step("start attempt", "start an attempt at {phase_id}")
async def start_attempt(run_id: str, phase_id: str) -> AttemptRow | Decision:
    """Start the next attempt, or pick up one that was built before a death."""
    return await asyncio.to_thread(steps.begin, held(run_id), phase_id)


@step("wait to start", "{phase_id} waits {seconds:.0f} s")
async def wait_to_start(run_id: str, phase_id: str, seconds: float, idle: bool = False) -> None:
    """Wait until a deferred phase may be tried again, or the run is stopped.

    An ``idle`` wait spends nothing of the run's minutes.
    """
    session = held(run_id)
    with session.keeper.idle() if idle else nullcontext():
        await session.switch.guard(asyncio.sleep(seconds))


@step("build", "build attempt {attempt}", tags=["autopack-builder"])
async def build_attempt(run_id: str, phase_id: str, attempt: int) -> str | None:
    """Let the builder change the worktree; commit what it left, record what it spent.

    Returns the circuit that its failure opened.
    """
    return await steps.build(held(run_id), phase_id, attempt)


@step("validate", "validate attempt {attempt}")
async def validate_attempt(run_id: str, phase_id: str, attempt: int) -> Failure | None:
    """Judge the attempt's commit by its scope, its deliverables and its checks."""
    return await steps.validate(held(run_id), phase_id, attempt)


@step("mitigate", "meet the failure of attempt {attempt}")
async def mitigate_attempt(
    run_id: str, phase_id: str, attempt: int, failure: Failure
) -> Failure | None:
    """Meet a known failure without a model; return the failure that is left."""
    return await mitigate.mitigate(held(run_id), phase_id, attempt, failure)


@step("consult", "consult about attempt {attempt}")
async def consult_doctor(run_id: str, phase_id: str, attempt: int, failure: Failure) -> Outcome:
    """Ask a doctor about a failed attempt, when the rules say so."""
    return await consult(held(run_id), phase_id, attempt, failure)


@step("conclude", "conclude attempt {attempt}")
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
