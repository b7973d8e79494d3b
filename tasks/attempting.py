"""The tasks of an attempt, in order."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

from autopack.model.causes import Failure
from autopack.repair.decide import Consult, Decision, Fix, Mitigate, Repair
from autopack.repair.facts import RepairState
from autopack.runs import attempt as steps
from autopack.runs.repair.consult import consult
from autopack.runs.repair.gather_facts import next_step
from autopack.runs.repair.mitigate import execute_fix, mitigate
from autopack.runs.session.session import held
from autopack.store.rows import AttemptRow
from tasks.step import step


@step("start attempt", "start an attempt at {phase_id}")
async def start_attempt(run_id: str, phase_id: str) -> AttemptRow | Decision:
    """Start the next attempt, or pick up one that was built before a crash."""
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
    run_id: str, phase_id: str, attempt: int, repair: RepairState, mitigation: Mitigate
) -> RepairState:
    """Meet a known failure without a model, and judge the attempt again."""
    return await mitigate(held(run_id), phase_id, attempt, repair, mitigation.pattern_id)


@step("consult", "consult about attempt {attempt}")
async def consult_doctor(
    run_id: str, phase_id: str, attempt: int, repair: RepairState, call: Consult
) -> RepairState:
    """Ask a doctor about a failed attempt."""
    return await consult(held(run_id), phase_id, attempt, repair, call)


@step("fix", "run the doctor's fix of attempt {attempt}")
async def fix_attempt(
    run_id: str, phase_id: str, attempt: int, repair: RepairState, fix: Fix
) -> RepairState:
    """Run the commands that a doctor ordered, and judge the attempt again."""
    return await execute_fix(held(run_id), phase_id, attempt, repair, fix.commands)


async def decide_next(
    run_id: str, phase_id: str, attempt: int, repair: RepairState
) -> Repair | Decision:
    """Decide what follows a judged attempt; no task, for it does nothing."""
    return await asyncio.to_thread(next_step, held(run_id), phase_id, attempt, repair)


@step("conclude", "conclude attempt {attempt}")
async def conclude_attempt(
    run_id: str, phase_id: str, attempt: int, failure: Failure | None, decision: Decision
) -> None:
    """Record the verdict and carry out what was decided."""
    await asyncio.to_thread(steps.conclude, held(run_id), phase_id, attempt, failure, decision)
