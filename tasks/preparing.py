"""Tasks that prepare a run, take it into this process, and bring it to its end."""

from __future__ import annotations

import asyncio

from autopack.clock import SystemClock
from autopack.model.states import RunState
from autopack.plan.plan import PhaseSpec
from autopack.runs import approval
from autopack.runs.environment import run_environment
from autopack.runs.finish import final_check, finish
from autopack.runs.prepare import prepare
from autopack.runs.session.opening import Given, open_session
from autopack.runs.session.session import (
    RunSession,
    held,
)
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.holders import Holder
from tasks.step import step


@step("prepare run")
async def prepare_run(request: prepare.RunRequest, db: Database, settings: Settings) -> str:
    """Check the plan, the repository and the builder, and store the run. Returns its id."""
    run = await asyncio.to_thread(
        prepare.prepare_run,
        request,
        db=db,
        settings=settings,
        clock=SystemClock(),
        starter=Holder.of_this_process(),
    )
    return run.run_id


@step("take over run", "take over {run_id}")
async def take_over_run(run_id: str, db: Database, settings: Settings, given: Given) -> RunSession:
    """Take the lease, end and count what a crashed holder left, open the workspace."""
    return await asyncio.to_thread(
        open_session, run_id, db=db, settings=settings, clock=SystemClock(), given=given
    )


@step("prepare environment", "prepare the environment of {run_id}")
async def prepare_environment(run_id: str) -> None:
    """Install the project's tools into the run's own environment, once."""
    session = held(run_id)
    session.environment = await run_environment.prepare_environment(session)


@step("check head", "check the head of {run_id}")
async def check_head(run_id: str) -> str | None:
    """Run the plan's checks once in a fresh checkout of the head; why it fails, None if not."""
    return await final_check.check_head(held(run_id))


@step("finish run", "finish {run_id}")
async def finish_run(run_id: str, state: RunState, reason: str | None) -> None:
    """Publish the branch, close the run, remove its checkouts."""
    await asyncio.to_thread(finish.finish, held(run_id), state, reason)


@step("ask for approval", "ask before {phase.id}")
async def ask_before(run_id: str, phase: PhaseSpec) -> str | None:
    """Find out whether a person has to be asked before the phase goes on; the question, or None."""
    return await asyncio.to_thread(approval.question_before, held(run_id), phase)


@step("wait", "let {run_id} wait")
async def let_wait(run_id: str, question: str) -> None:
    """Note that the run waits for a person; nobody has to hold it meanwhile."""
    await asyncio.to_thread(approval.wait, held(run_id), question)
