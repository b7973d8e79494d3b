"""Taking a phase as far as it comes, reviews included, without an engine."""

from __future__ import annotations

from autopack.model.states import AttemptState
from autopack.repair.decide import Decision, DecisionKind
from autopack.runs import attempt as steps
from autopack.runs.environment.run_environment import prepare_environment
from autopack.runs.session.session import RunSession
from support.runs import repair


async def carried_on(session: RunSession) -> Decision:
    """Take the phase as far as it comes, as the flow does."""
    session.environment = await prepare_environment(session)
    while True:
        started = steps.begin(session, "one")
        assert not isinstance(started, Decision), started
        if started.state is AttemptState.STARTED:
            await steps.build(session, started.key)
        failure = await steps.validate(session, started.key)
        state, decision = await repair(session, "one", started.attempt, failure)
        steps.conclude(session, started.key, state.failure, decision)
        if decision.kind is not DecisionKind.RETRY:
            return decision
