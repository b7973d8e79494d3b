"""Where a stored run is executed: in this process, in one of its own, or by a worker."""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import psutil
from prefect import get_client, get_run_logger, tags
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound

from autopack.clock import SystemClock
from autopack.files import safe_files
from autopack.model.errors import BadInput, WorkFailed
from autopack.model.states import RunState
from autopack.process import leftovers
from autopack.process.python_module import module_command
from autopack.runs.reconcile.reconcile import claim_recovery, give_up
from autopack.runs.session.session import is_stopping
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.folder_note import claim_folder
from autopack.store.leases import holder_of, token_of
from autopack.store.rows import RunRow
from autopack.store.runs import get_run
from flows.run import execute_run
from flows.run_watch import RunWatch, has_stopped
from flows.server import tags_of_runs, without_login
from flows.turns import Turns
from flows.waiting import (
    cancelled_in_prefect,
    may_resume,
    wait_for_end,
    wait_until_due,
    wait_while_held,
)
from tasks.away import patiently, until_answers
from tasks.closing import close_now
from tasks.verdicts import submission_prefix

Executor = Literal["inline", "process", "deployment"]

_FLOW = "execute-run"
_LOOK_SECONDS = 0.25
_PATIENCE_SECONDS = 3600.0
"""How long a server is waited for, without which no run can be begun."""


@dataclass(frozen=True)
class Execution:
    """Where stored runs are executed, and what they are stored in.

    ``deployment`` is the one that workers are asked for, ``database`` the block that names ``db``.
    ``turns`` are those of the fleet that the runs are a part of.
    """

    executor: Executor
    deployment: str | None
    db: Database
    settings: Settings
    database: str | None = None
    turns: Turns | None = None

    def turn_of(self, run_id: str) -> AbstractAsyncContextManager[None]:
        """Hold the run back in this block until its fleet has room for it."""
        return nullcontext() if self.turns is None else self.turns.turn(run_id)

    def room(self) -> AbstractAsyncContextManager[None]:
        """Take a slot of the fleet in this block, where there is one."""
        return nullcontext() if self.turns is None else self.turns.room()

    @cached_property
    def watch(self) -> RunWatch:
        """Tells of runs that end at workers."""
        return RunWatch(self.db)


def deployment_name(asked: str | None, settings: Settings) -> str:
    """Return the full name of the deployment that workers are asked for: FLOW/NAME."""
    name = asked or settings.deployment
    return name if "/" in name else f"{_FLOW}/{name}"


async def check_executor(
    executor: Executor, deployment: str | None = None, settings: Settings | None = None
) -> None:
    """Raise BadInput when runs cannot be executed so on the Prefect server of this process."""
    if executor != "deployment":
        return
    name = deployment_name(deployment, settings or Settings.from_environment())
    if not name.startswith(f"{_FLOW}/"):
        raise BadInput(
            f"{name} is not a deployment of {_FLOW}",
            field="deployment",
            hint=f"use {_FLOW}/NAME, or NAME alone",
        )
    try:
        async with get_client() as client:
            await client.read_deployment_by_name(name)
    except ObjectNotFound as error:
        raise BadInput(
            f"the Prefect server has no deployment {name}",
            field="deployment" if deployment else "executor",
            hint="`autopack deploy` makes execute-run/run; name another with --deployment",
        ) from error


async def execute_stored(run_id: str, where: Execution, *, tag: str | None = None) -> None:
    """Bring a stored run to its end, or to where it waits for a person or was interrupted.

    How it ended is in the database. ``tag`` marks its flow run. A run that has ended is left
    alone, one that somebody works on is waited for; one whose process or flow run crashes is
    resumed in another, as often as reconciling would do that.

    Raises what execute_run raises, and WorkFailed when the process or the flow run ended
    without ending the run, or it took longer than is worth waiting for (the run then continues).
    """
    db, settings, database = where.db, where.settings, where.database
    if get_run(db, run_id).state.is_final:
        return
    run = await _when_free(run_id, where)
    if run is None or run.state.is_final:
        return
    if run.cancel_requested_at is not None:
        await asyncio.to_thread(close_now, [run_id], db, settings)
        return
    with tags(*tags_of_runs(*([tag] if tag else []))):
        match where.executor:
            case "inline":
                await patiently(lambda: _here(run_id, database, db), _server)
            case "process":
                await _in_processes(run_id, where)
            case "deployment":
                await _at_workers(run_id, where, tag)
    run = get_run(db, run_id)
    if run.state is RunState.PHASE_EXECUTION and not is_stopping():
        raise WorkFailed(f"run {run_id} was interrupted", hint=f"autopack resume {run_id}")


async def _when_free(run_id: str, where: Execution) -> RunRow | None:
    """Return the run as it stands when nobody works on it; who does has a slot meanwhile."""
    holder = holder_of(where.db, run_id)
    if holder is None or holder.is_gone():
        return get_run(where.db, run_id)
    async with where.room():
        return await wait_while_held(run_id, db=where.db)


async def _here(run_id: str, database: str | None, db: Database) -> None:
    """Execute the run in this process, unless it ended before Prefect could be told."""
    if not has_stopped(get_run(db, run_id).state):
        await execute_run(run_id=run_id, database=database)


async def _server() -> None:
    await until_answers(_PATIENCE_SECONDS, what="this flow run")


async def _in_processes(run_id: str, where: Execution) -> None:
    """Execute the run in a process, and in another when that one is killed."""
    db, settings = where.db, where.settings
    while True:
        seen = get_run(db, run_id).recoveries
        log = claim_folder(settings.home, db, run_id) / "process.log"
        async with where.turn_of(run_id):
            status = await _in_a_process(run_id, where.database, log, settings.home)
        if status == 0:
            return
        failed = WorkFailed(
            f"the process of run {run_id} ended with status {status}", hint=f"see {log}"
        )
        if status > 0:
            if get_run(db, run_id).state is RunState.DONE_CANCELLED:
                return
            raise failed
        await _when_free(run_id, where)
        run = await wait_until_due(run_id, db=db, settings=settings)
        if run is None or has_stopped(run.state):
            return
        if await cancelled_in_prefect(run_id, db=db, settings=settings):
            return
        if not claim_recovery(db, run_id, seen=seen):
            await asyncio.to_thread(give_up, db, run_id, settings=settings, clock=SystemClock())
            raise failed


async def _in_a_process(run_id: str, database: str | None, log: Path, home: Path) -> int:
    """Execute the run in an operating-system process that prints to ``log``.

    It finds the login of the home's server by itself, which so stands in no environment. Returns
    its status, negative when a signal killed it.
    """
    async with get_client() as client:
        api_url = str(client.api_url)
    with os.fdopen(safe_files.open_append(log), "ab") as out:
        process = await asyncio.create_subprocess_exec(
            *module_command(f"{__package__}.process", run_id, *([database] if database else [])),
            # Without our mark: it may outlive us, and is then nobody's leftover.
            env={k: v for k, v in without_login(home).items() if k != leftovers.HOLDER}
            | {"PREFECT_API_URL": api_url},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        while process.returncode is None:
            if is_stopping():
                process.terminate()
                await process.wait()
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _LOOK_SECONDS)
    except asyncio.CancelledError:
        # The fleet was cancelled: the canceller closes the run.
        leftovers.end([psutil.Process(process.pid)])
        raise
    return process.returncode or 0


async def _at_workers(run_id: str, where: Execution, tag: str | None) -> None:
    """Have a worker execute the run, and wait for it; giving up leaves the run alone.

    When its flow run crashes, another worker resumes it.
    """
    db, settings, database = where.db, where.settings, where.database
    deployment = deployment_name(where.deployment, settings)
    while True:
        seen = get_run(db, run_id).recoveries
        async with where.turn_of(run_id):
            flow_run = await patiently(
                lambda: submit(run_id, deployment, db=db, database=database, tag=tag), _server
            )
            ended = await wait_for_end(run_id, flow_run.id, watch=where.watch, clock=SystemClock())
        if ended is None:
            return
        await _when_free(run_id, where)
        run = await wait_until_due(run_id, db=db, settings=settings)
        if run is None or has_stopped(run.state):
            return
        said = f"the flow run of {run_id} ended as {ended.name}: {ended.message or 'no reason'}"
        if not await may_resume(run_id, ended, seen=seen, db=db, settings=settings):
            if get_run(db, run_id).state is RunState.DONE_CANCELLED:
                return
            raise WorkFailed(said, hint=f"autopack resume {run_id}")
        get_run_logger().warning("%s; the run continues in another", said)


async def submit(
    run_id: str,
    deployment: str,
    *,
    db: Database,
    database: str | None = None,
    tag: str | None = None,
) -> FlowRun:
    """Have a worker of a deployment execute the run, without waiting.

    Asking twice starts one flow run.
    """
    # A new one only when an earlier one got hold of the run and lost it, or was found crashed.
    ours, run = submission_prefix(db), get_run(db, run_id)
    key = f"{ours}{run_id}:{token_of(db, run_id)}:{run.recoveries}:{run.recovery_tries}"
    while True:
        flow_run = await arun_deployment(
            deployment,
            parameters={"run_id": run_id, "database": database},
            flow_run_name=run_id,
            timeout=0,
            # A subflow cannot be suspended, and so could not ask a person.
            as_subflow=False,
            idempotency_key=key,
            tags=["autopack", tag] if tag else ["autopack"],
        )
        if flow_run.state is None or not flow_run.state.is_final():
            return flow_run
        # It could not take the run; what was in its way may be gone.
        key = f"{ours}{run_id}:{flow_run.id}"
