"""The steps of an attempt, in order; tasks where they take time or ask others."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

from autopack.model.causes import Failure
from autopack.model.ids import AttemptKey
from autopack.repair.decide import Consult, Decision, Fix, Mitigate, Repair
from autopack.repair.facts import RepairState
from autopack.runs import attempt as steps
from autopack.runs.attempt.orders import wait_while_paused
from autopack.runs.repair import mitigation_trial
from autopack.runs.repair.ask_reviewer import review
from autopack.runs.repair.consult import consult
from autopack.runs.repair.gather_facts import next_step
from autopack.runs.repair.mitigate import execute_fix, mitigate
from autopack.runs.session.session import held
from autopack.store.rows import AttemptRow
from tasks.ahead import ahead_of
from tasks.step import step


async def start_attempt(run_id: str, phase_id: str) -> AttemptRow | Decision:
    """Start the next attempt, or pick up one that was built before a crash; no task, as it is
    over in a moment. Where that was done beforehand, return what came of it.
    """
    ahead = ahead_of(run_id)
    if ahead is not None and phase_id in ahead:
        return await ahead.started(phase_id)
    if ahead is not None:
        await ahead.stop_judging()
    return await asyncio.to_thread(steps.begin, held(run_id), phase_id)


@step("wait to start", "{phase_id} waits {seconds:.0f} s")
async def wait_to_start(run_id: str, phase_id: str, seconds: float, idle: bool = False) -> None:
    """Wait until a deferred phase may be tried again and no pause is left, or the run is stopped.

    An ``idle`` wait spends nothing of the run's minutes.
    """
    session = held(run_id)
    with session.keeper.idle() if idle else nullcontext():
        await session.switch.guard(asyncio.sleep(seconds))
    await wait_while_paused(session)


@step("build", "build attempt {key.attempt}", tags=["autopack-builder"])
async def build_attempt(key: AttemptKey) -> str | None:
    """Let the builder change the worktree; commit what it left, record what it spent.

    Returns the circuit that its failure opened.
    """
    ahead = ahead_of(key.run_id)
    if ahead is not None and ahead.is_building(key):
        return await ahead.built(key.phase_id)
    return await steps.build(held(key.run_id), key)


@step("validate", "validate attempt {key.attempt}")
async def validate_attempt(key: AttemptKey) -> Failure | None:
    """Judge the attempt's commit by its scope, its deliverables and its checks."""
    ahead = ahead_of(key.run_id)
    if ahead is not None and ahead.is_judging(key):
        return await ahead.judged(key)
    return await steps.validate(held(key.run_id), key)


@step("mitigate", "meet the failure of attempt {key.attempt}")
async def mitigate_attempt(
    key: AttemptKey, repair: RepairState, mitigation: Mitigate
) -> RepairState:
    """Meet a known failure without a model, and judge the attempt again."""
    return await mitigate(held(key.run_id), key, repair, mitigation.pattern_id)


@step("consult", "consult about attempt {key.attempt}")
async def consult_doctor(key: AttemptKey, repair: RepairState, call: Consult) -> RepairState:
    """Ask a doctor about a failed attempt, once no pause is left."""
    await wait_while_paused(held(key.run_id))
    return await consult(held(key.run_id), key, repair, call)


@step("review", "review attempt {key.attempt}")
async def review_attempt(key: AttemptKey, repair: RepairState) -> RepairState:
    """Ask the reviewer about an attempt that passes, once no pause is left."""
    await wait_while_paused(held(key.run_id))
    return await review(held(key.run_id), key, repair)


@step("fix", "run the doctor's fix of attempt {key.attempt}")
async def fix_attempt(key: AttemptKey, repair: RepairState, fix: Fix) -> RepairState:
    """Run the commands that a doctor ordered, and judge the attempt again."""
    return await execute_fix(held(key.run_id), key, repair, fix.commands)


async def try_mitigations(key: AttemptKey, repair: RepairState) -> None:
    """Try what watching patterns would have done; no task, for there is hardly ever one to try."""
    await mitigation_trial.try_mitigations(held(key.run_id), key, repair)


async def decide_next(key: AttemptKey, repair: RepairState) -> Repair | Decision:
    """Decide what follows a judged attempt; no task, for it does nothing."""
    return await asyncio.to_thread(next_step, held(key.run_id), key, repair)


async def conclude_attempt(key: AttemptKey, failure: Failure | None, decision: Decision) -> None:
    """Record the verdict and carry out what was decided; no task, either."""
    await asyncio.to_thread(steps.conclude, held(key.run_id), key, failure, decision)
