"""Executing a run to its end without an engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from autopack.model.causes import Failure
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState
from autopack.repair.decide import Consult, Decision, DecisionKind, Fix, Mitigate, Review
from autopack.repair.facts import RepairState
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.next_phase import next_phase
from autopack.runs.repair.ask_reviewer import review
from autopack.runs.repair.consult import consult
from autopack.runs.repair.gather_facts import next_step
from autopack.runs.repair.mitigate import execute_fix, mitigate
from autopack.runs.session.session import RunSession
from autopack.store.runs import get_ending, get_phases


def conclude(session: RunSession, phase_id: str, number: int, failure: Failure | None) -> Decision:
    """Conclude a judged attempt that nothing more is tried on, as the flow does."""
    key = AttemptKey(session.run_id, phase_id, number)
    decision = next_step(session, key, RepairState.of(failure))
    assert isinstance(decision, Decision), decision
    steps.conclude(session, key, failure, decision)
    return decision


async def repair(
    session: RunSession, phase_id: str, number: int, failure: Failure | None
) -> tuple[RepairState, Decision]:
    """Meet the failure of an attempt as the flow does, up to the decision that ends it."""
    key, state = AttemptKey(session.run_id, phase_id, number), RepairState.of(failure)
    while not isinstance(step := next_step(session, key, state), Decision):
        match step:
            case Mitigate():
                state = await mitigate(session, key, state, step.pattern_id)
            case Consult():
                state = await consult(session, key, state, step)
            case Fix():
                state = await execute_fix(session, key, state, step.commands)
            case Review():
                state = await review(session, key, state)
    return state, step


async def carry_out(
    session: RunSession, wait: Callable[[Decision], Awaitable[None]] | None = None
) -> None:
    """What the flow does, without an engine; ``wait`` carries out what a decision defers."""
    session.environment = await prepare_environment(session)
    while get_ending(session.db, session.run_id) is None:
        phase = next_phase(session.plan, get_phases(session.db, session.run_id))
        if phase is None:
            return
        while True:
            started = steps.begin(session, phase.id)
            if isinstance(started, Decision):
                if started.kind is DecisionKind.DEFER and wait is not None:
                    await wait(started)
                    continue
                break
            if started.state is AttemptState.STARTED:
                await steps.build(session, started.key)
            failure = await steps.validate(session, started.key)
            decision = conclude(session, phase.id, started.attempt, failure)
            if decision.kind is not DecisionKind.RETRY:
                break
