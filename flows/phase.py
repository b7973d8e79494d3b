"""One phase: attempts, each met and decided about until one passes or the phase ends."""

from prefect import flow, get_run_logger

from autopack.model.causes import Failure
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState
from autopack.repair.decide import Consult, Decision, DecisionKind, Fix, Mitigate, Repair, Review
from autopack.repair.facts import RepairState
from autopack.runs.session.session import held
from autopack.store.rows import AttemptRow
from autopack.views.run_view import Json, phase_view
from flows.phases.research_phase import execute_research
from flows.phases.succession import succession_of
from tasks.ahead import slot_of_build
from tasks.attempting import (
    build_attempt,
    conclude_attempt,
    consult_doctor,
    decide_next,
    fix_attempt,
    mitigate_attempt,
    review_attempt,
    start_attempt,
    try_mitigations,
    validate_attempt,
    wait_to_start,
)
from tasks.pushing import push_if_asked
from tasks.recording import record_metrics
from tasks.reporting import emit


@flow(name="execute-phase", flow_run_name="{phase_id} ({run_id})", persist_result=False)
async def execute_phase(run_id: str, phase_id: str) -> Json:
    """Build, validate and retry one phase of a run that this process holds.

    Returns the phase's JSON; the last of its decisions says how it ended.

    Args:
        run_id: The run, which execute_run has taken over.
        phase_id: The phase, as its plan names it.
    """
    ended = held(run_id).phase(phase_id).research is not None
    if ended:
        await execute_research(run_id, phase_id)
    while not ended:
        started = await _build(run_id, phase_id)
        if isinstance(started, AttemptRow):
            decision = await _conclude(started.key)
            ended = decision.kind is not DecisionKind.RETRY
        elif started.kind is DecisionKind.DEFER:
            get_run_logger().warning("not yet: %s", started.reason)
            await wait_to_start(run_id, phase_id, started.seconds, started.idle)
        else:
            ended = True
    phase = phase_view(held(run_id), phase_id)
    emit(
        "phase.finished",
        run_id,
        phase_id=phase_id,
        state=phase["state"],
        tokens=phase["tokens"],
    )
    if (phases := succession_of(run_id)) is not None:
        phases.continue_run()
    return phase


async def _build(run_id: str, phase_id: str) -> AttemptRow | Decision:
    """Start the next attempt and build it; a decision says why nothing was started."""
    async with slot_of_build(run_id, phase_id):
        started = await start_attempt(run_id, phase_id)
        if isinstance(started, AttemptRow) and started.state is AttemptState.STARTED:
            opened = await build_attempt(started.key)
            if opened is not None:
                emit("circuit.opened", run_id, phase_id=phase_id, circuit=opened)
            await push_if_asked(run_id)
            if held(run_id).attempt(started.key).state is AttemptState.INTERRUPTED:
                return Decision(DecisionKind.DEFER, "the build was paused")
    return started


async def _conclude(key: AttemptKey) -> Decision:
    """Validate a built attempt, and carry out what is decided until that ends it."""
    repair = RepairState.of(await validate_attempt(key))
    step = await decide_next(key, repair)
    while not isinstance(step, Decision):
        repair = await _repair(key, repair, step)
        step = await decide_next(key, repair)
    await conclude_attempt(key, repair.failure, step)
    await push_if_asked(key.run_id)
    await record_metrics(key.run_id)
    await try_mitigations(key, repair)
    _tell(key, repair.failure, step)
    return step


async def _repair(key: AttemptKey, repair: RepairState, step: Repair) -> RepairState:
    """Carry out a step that meets the failure without another build."""
    match step:
        case Mitigate():
            return await mitigate_attempt(key, repair, step)
        case Consult():
            return await consult_doctor(key, repair, step)
        case Fix():
            return await fix_attempt(key, repair, step)
        case Review():
            return await review_attempt(key, repair)


def _tell(key: AttemptKey, failure: Failure | None, decision: Decision) -> None:
    """Log how the attempt ended, and emit an event where it failed."""
    log = get_run_logger()
    if failure is None:
        log.info("attempt %d passed: %s", key.attempt, decision.reason)
        return
    log.warning("attempt %d failed: %s → %s", key.attempt, failure.message, decision.reason)
    now = phase_view(held(key.run_id), key.phase_id)
    emit(
        "attempt.failed",
        key.run_id,
        phase_id=key.phase_id,
        state=now["state"],
        tokens=now["tokens"],
        attempt=key.attempt,
        cause=failure.cause.value,
        message=failure.message,
    )
