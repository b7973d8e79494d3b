"""Executing a run to its end without an engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from autopack.model.states import AttemptState
from autopack.repair.decide import Decision, DecisionKind
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.next_phase import next_phase
from autopack.runs.session.session import RunSession
from autopack.store.runs import get_ending, get_phases


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
                await steps.build(session, phase.id, started.attempt)
            failure = await steps.validate(session, phase.id, started.attempt)
            decision = steps.conclude(session, phase.id, started.attempt, failure)
            if decision.kind is not DecisionKind.RETRY:
                break
