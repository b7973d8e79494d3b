"""One phase: attempts until one passes or the policy says stop."""

from prefect import flow, get_run_logger

from autopack.model.features import Feature
from autopack.model.states import AttemptState
from autopack.plan.plan import DoctorMode
from autopack.repair.decide import Decision, DecisionKind, Prescription
from autopack.runs.session.session import held
from autopack.views.run_view import Json, phase_view
from tasks.attempting import (
    build_attempt,
    conclude_attempt,
    consult_doctor,
    mitigate_attempt,
    start_attempt,
    validate_attempt,
    wait_to_start,
)
from tasks.pushing import push_if_asked
from tasks.recording import record_metrics
from tasks.reporting import emit
from tasks.slots import build_slot


@flow(name="execute-phase", flow_run_name="{phase_id} ({run_id})", persist_result=False)
async def execute_phase(run_id: str, phase_id: str) -> Json:
    """Build, validate and retry one phase of a run that this process holds.

    Returns the phase's JSON; the last of its decisions says how it ended.

    Args:
        run_id: The run, which execute_run has taken over.
        phase_id: The phase, as its plan names it.
    """
    while True:
        async with build_slot(run_id):
            started = await start_attempt(run_id, phase_id)
            if not isinstance(started, Decision) and started.state is AttemptState.STARTED:
                opened = await build_attempt(run_id, phase_id, started.attempt)
                if opened is not None:
                    emit("circuit.opened", run_id, phase_id=phase_id, circuit=opened)
                await push_if_asked(run_id)
        if isinstance(started, Decision):
            if started.kind is not DecisionKind.DEFER:
                break
            get_run_logger().warning("not yet: %s", started.reason)
            await wait_to_start(run_id, phase_id, started.seconds, started.idle)
            continue
        number = started.attempt
        failure = await validate_attempt(run_id, phase_id, number)
        prescription: Prescription | None = None
        if failure is not None and held(run_id).has(Feature.FAILURE_HARDENING):
            failure = await mitigate_attempt(run_id, phase_id, number, failure)
        if failure is not None and held(run_id).plan.policy.doctor is not DoctorMode.OFF:
            outcome = await consult_doctor(run_id, phase_id, number, failure)
            failure, prescription = outcome.failure, outcome.prescription
        decision = await conclude_attempt(run_id, phase_id, number, failure, prescription)
        await push_if_asked(run_id)
        await record_metrics(run_id)
        log = get_run_logger()
        if failure is None:
            log.info("attempt %d passed", number)
        else:
            log.warning("attempt %d failed: %s → %s", number, failure.message, decision.reason)
            emit(
                "attempt.failed",
                run_id,
                phase_id=phase_id,
                attempt=number,
                cause=failure.cause.value,
                message=failure.message,
            )
        if decision.kind is not DecisionKind.RETRY:
            break
    phase = phase_view(held(run_id).db, run_id, phase_id)
    emit(
        "phase.finished",
        run_id,
        phase_id=phase_id,
        state=phase["state"],
        tokens=phase["tokens"],
    )
    return phase
