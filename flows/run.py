"""A whole run: prepared or resumed, phase by phase, to its end."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

from prefect import get_run_logger
from prefect.runtime import deployment
from prefect.runtime import flow_run as current_flow_run

from autopack.clock import SystemClock
from autopack.ledger.events.usage_events import token_totals
from autopack.model.errors import AutopackError, BadInput, LeaseLost, WorkFailed
from autopack.model.states import RunState
from autopack.plan.plan import DoctorMode, PhaseSpec
from autopack.runs.approval import end_of_rejected, may_ask
from autopack.runs.finish.finish import decided_ending
from autopack.runs.next_phase import ending, next_phase
from autopack.runs.session.opening import Given, close_session, enter
from autopack.runs.session.session import (
    RunSession,
)
from autopack.runs.session.stop import RunStopped, StopReason
from autopack.runs.session.turn import wait_for_turn
from autopack.runs.stored_run import plan_of
from autopack.store.database.engine import Database
from autopack.store.rows import RunRow
from autopack.store.runs import find_run, get_run, run_of_flow
from autopack.views.live_build import LiveBuilds, live_lines
from autopack.views.run_view import percent_complete, run_view
from blocks.configured import configured, configured_doctor
from flows.approval import still_waits
from flows.cancelling import cancel_its_run, heeding
from flows.naming import own_run_id, rename, same_call
from flows.opening import application
from flows.parameters import (
    Asked,
    AtCap,
    Builder,
    BuilderOptions,
    Commit,
    DatabaseBlock,
    Features,
    Model,
    Push,
    Repo,
    Text,
    TokenCap,
)
from flows.phase import execute_phase
from flows.phases.succession import Succession
from flows.returning import state_of_run
from flows.starting import started_flow
from tasks.away import patiently, until_answers, wait_for_server
from tasks.outbox import Outbox
from tasks.preparing import (
    ask_before,
    check_head,
    finish_run,
    let_wait,
    prepare_environment,
    prepare_run,
    take_over_run,
)
from tasks.pushing import deliver_if_asked
from tasks.recording import persist_view, record_metrics, send_ended
from tasks.reporting import RunProgress, emit, publish_summary, standing_line
from tasks.slots import learn_limits

_LIVE_SECONDS = 30.0
_PATIENCE_SECONDS = 300.0
"""How long a run that has ended waits for a server that is to be told."""


def _name_of_run() -> str:
    """Return what the UI calls the flow run: its run id, or the plan until there is one."""
    parameters = current_flow_run.get_parameters()
    plan = str(parameters.get("plan") or "run").strip()
    is_text = "\n" in plan or plan.startswith("{")
    return parameters.get("run_id") or ("plan" if is_text else plan.rsplit("/", 1)[-1])


@started_flow(
    "execute-run",
    flow_run_name=_name_of_run,
    on_cancellation=[cancel_its_run],
)
async def execute_run(
    plan: Text = None,
    repo: Repo = None,
    commit: Commit = None,
    builder: Builder = None,
    builder_options: BuilderOptions = "",
    model: Model = None,
    features: Features = None,
    token_cap: TokenCap = None,
    at_cap: AtCap = "fail",
    run_id: Text = None,
    database: DatabaseBlock = None,
    push: Push = None,
) -> dict[str, Any]:
    """Run a plan on a git repository, or resume a run that was interrupted.

    Args:
        plan: Needed, unless run_id alone resumes a run: the plan's path, its URL, or its text.
        repo: Needed with a plan: the path or URL of the git repository. To resume a run, this
            machine's clone of it, where that has another path here.
        token_cap: The most tokens the run may spend; when empty, the plan's.
        run_id: The run to resume, with the plan left empty; with a plan, a name for the new run.
    """
    flow_run_id = current_flow_run.get_id()
    async with application(database) as (db, settings), heeding(db, settings) as watched:
        begun = await asyncio.to_thread(_begun, db, flow_run_id, run_id)
        # A run that is named, and no plan, is asked to continue, also when it ended for trouble
        # outside; a retry of the flow run that brought it there is not.
        resumes = begun is None and plan is None and run_id is not None
        if begun is not None:
            # A retried flow run goes on with the run it began, unless another ended that.
            run_id = begun.run_id
            watched.add([run_id])
            if begun.state.is_final:
                return state_of_run(run_view(db, run_id))  # pyright: ignore[reportReturnType]
        elif plan is not None or run_id is None:
            # "." is a caller's folder; a worker's is nobody's repository.
            if not plan or (repo is None and deployment.id is not None):
                raise BadInput(
                    "a run needs a plan and a repository: fill in the fields plan and repo, or "
                    "run_id alone to resume a run",
                    field="plan",
                    hint="plan is a path, a URL or the plan's text; repo is a path or a URL",
                )
            asked = Asked(
                plan=plan,
                repo=repo,
                commit=commit,
                builder=builder,
                builder_options=builder_options,
                model=model,
                features=features,
                token_cap=token_cap,
                at_cap=at_cap,
                run_id=run_id or await asyncio.to_thread(own_run_id),
                push=push,
            )
            wanted = await asked.request(db, settings)
            watched.add([wanted.run_id] if wanted.run_id else [])
            run_id = await prepare_run(wanted, db, settings)
        watched.add([run_id])
        run = get_run(db, run_id)
        block = await configured(run.builder)
        if not await still_waits(db, run_id):
            clone = repo if plan is None else None
            asks = plan_of(db, run).policy.doctor is DoctorMode.API
            doctor = await configured_doctor() if asks else None
            given = Given(flow_run_id, block.secrets, clone, doctor, reopen=resumes, enters=False)
            session = await take_over_run(run_id, db, settings, given)
            view = await _carry_on(session, flow_run_id)
            if RunState(view["state"]).is_final:
                return state_of_run(view)  # pyright: ignore[reportReturnType]
            await still_waits(db, run_id)
        return state_of_run(run_view(db, run_id))  # pyright: ignore[reportReturnType]


def _begun(db: Database, flow_run_id: str | None, asked: str | None) -> RunRow | None:
    """Return the run that this flow run works on, or prepared before another resumed it; also
    one that this call of a parent flow run began before that was retried."""
    if flow_run_id is None:
        return None
    found = run_of_flow(db, flow_run_id)
    if found is not None:
        return found
    if asked is None:
        prepared = own_run_id()
        return find_run(db, prepared) if prepared else None
    named = find_run(db, asked)
    return named if named and named.flow_run_id and same_call(named.flow_run_id) else None


async def _carry_on(session: RunSession, flow_run_id: str | None) -> dict[str, Any]:
    """Work on the run until it ends or is stopped, then release its lease in any case.

    Returns its view.
    """
    run_id, progress = session.run_id, RunProgress(session.run_id, SystemClock())
    outbox = Outbox()
    phases = Succession(session, execute_phase, outbox)
    broken = True
    try:
        if flow_run_id is not None:
            outbox.send("the flow run keeps its name", lambda: rename(run_id))
        outbox.send("limits on builds are read later", learn_limits)
        _show(session, progress, outbox)
        await wait_for_turn(session)
        await asyncio.to_thread(enter, session)
        _announce(session, "run.started")
        state, reason = await _execute_phases(session, progress, outbox, phases)
        if state is RunState.AWAITING_APPROVAL:
            await let_wait(run_id, reason or "")
            _announce(session, "run.waiting")
        else:
            if state is RunState.DONE_SUCCESS:
                await deliver_if_asked(run_id)
            await finish_run(run_id, state, reason)
        _show(session, progress, outbox, last=True)
        broken = False
    except RunStopped as stopped:
        broken = False
        if stopped.reason is StopReason.LEASE_LOST:
            raise LeaseLost(stopped.message, hint=f"autopack show {run_id}") from stopped
        await phases.give_back()
        if stopped.reason is StopReason.CANCELLED:
            await finish_run(run_id, RunState.DONE_CANCELLED, stopped.message)
    finally:
        try:
            await phases.close()
        finally:
            # A fault is no decision of anybody's: who reconciles resumes the run.
            close_session(session, release_lease=not broken)
        await outbox.flush()
    # Prefect is to hear of the end; what happened is stored, so that this may fail.
    with suppress(WorkFailed):
        await until_answers(_PATIENCE_SECONDS, what=f"the end of run {run_id}")
    view = await asyncio.to_thread(run_view, session.db, run_id)
    outbox.send("the summary is not shown", lambda: publish_summary(session.db, view))
    await persist_view(session.db, run_id, outbox)
    await outbox.flush()
    if session.run().state.is_final:
        _announce(session, "run.finished")
        await send_ended(session.db, run_id)
    return view


async def _execute(session: RunSession, phase: PhaseSpec, phases: Succession) -> bool:
    """Execute a phase; False when it ended before Prefect could be told."""
    now = session.snapshot()
    following = next_phase(session.plan, now.phases)
    if now.ending is not None or following is None or following.id != phase.id:
        return False
    await phases.execute(phase.id)
    return True


def _show(
    session: RunSession, progress: RunProgress, outbox: Outbox, *, last: bool = False
) -> None:
    """Have the progress shown, which is written beside the run."""
    percent = percent_complete(session.snapshot().phases)

    async def write() -> None:
        line = await asyncio.to_thread(standing_line, session.db, session.run_id)
        await progress.show(percent, line, last=last)

    if last or progress.is_due():
        outbox.send("the progress is not shown", write)


@asynccontextmanager
async def _kept_up(
    session: RunSession, progress: RunProgress, outbox: Outbox
) -> AsyncGenerator[None]:
    """Show the progress now and then while a phase is at work, with what its build does."""
    log = get_run_logger()

    async def keep() -> None:
        said = ""
        while True:
            await asyncio.sleep(_LIVE_SECONDS)
            with suppress(AutopackError):
                _show(session, progress, outbox)
                builds = LiveBuilds(session.db, session.settings, session.run_id, SystemClock())
                told = live_lines(await asyncio.to_thread(builds.look))
                if told and told != said:
                    log.info("%s", told)
                said = told

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


def _announce(session: RunSession, event: str, **more: Any) -> None:
    """Emit an event about the run with its state, what it spent and why it failed."""
    run, tokens = session.run(), token_totals(session.db, session.run_id).told
    about = {"state": run.state.value, "tokens": tokens, "reason": run.failure_reason}
    emit(event, session.run_id, **about | more)


async def _execute_phases(
    session: RunSession, progress: RunProgress, outbox: Outbox, phases: Succession
) -> tuple[RunState, str | None]:
    """Execute what is left of the plan; return where the run ends or waits, and why."""
    run_id = session.run_id
    if (decided := decided_ending(session)) is not None:
        return decided
    if (rejected := end_of_rejected(session)) is not None:
        return rejected
    try:
        await prepare_environment(run_id)
    except WorkFailed as error:
        # What is installed is one source among others.
        if any(phase.research is None for phase in session.plan.phases):
            return RunState.DONE_FAILED_ENVIRONMENT, error.message
        get_run_logger().warning("nothing is installed: %s", error.message)
    while (stopped := session.latest().ending) is None:
        phase = next_phase(session.plan, session.snapshot().phases)
        if phase is None:
            # Also of attempts whose process died before it could tell.
            await record_metrics(run_id)
            state, reason = ending(session.snapshot().phases)
            if state is RunState.DONE_SUCCESS and (wrong := await check_head(run_id)) is not None:
                return RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW, wrong
            return state, reason
        session.switch.check()
        if may_ask(session, phase):
            question = await ask_before(run_id, phase)
            if question is not None:
                return RunState.AWAITING_APPROVAL, question
        # The database knows how far the phase is, whatever Prefect has heard of it.
        async with _kept_up(session, progress, outbox):
            if not await patiently(
                lambda phase=phase: _execute(session, phase, phases),
                lambda: wait_for_server(session),
            ):
                continue
        _show(session, progress, outbox)
    state, reason = stopped
    if state is RunState.DONE_FAILED_BUDGET_EXHAUSTED:
        _announce(session, "budget.exhausted", reason=reason)
    return state, reason
