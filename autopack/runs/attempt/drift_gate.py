"""Staying on the goal: what the builder is told of it, and how far each phase drifts from it."""

from __future__ import annotations

from sqlalchemy import Connection

from autopack.context import embedder_named, measure
from autopack.context.intention import for_builder
from autopack.model.features import Feature
from autopack.model.ids import AttemptKey
from autopack.plan.plan import DriftMode, PhaseSpec
from autopack.repair.decide import Decision, DecisionKind
from autopack.runs.session.session import RunSession
from autopack.settings import EMBEDDER
from autopack.store import approvals
from autopack.store.mitigations import get_drift, record_drift
from autopack.store.runs import record_decision


def builder_context(session: RunSession) -> str | None:
    """Return what a builder is told besides its task; None with the feature off."""
    if not session.has(Feature.INTENTION_CONTEXT):
        return None
    plan = session.plan
    return for_builder(plan.goal, plan.success_criteria, plan.non_goals)


def look(session: RunSession, phase: PhaseSpec, revision: int) -> Decision | None:
    """Measure a phase once per revision; a decision to wait when it drifted and that blocks.

    ``advisory`` is the plan's default, and measures only where the feature is on.
    """
    mode = session.plan.policy.drift
    if mode is DriftMode.OFF:
        return None
    if mode is DriftMode.ADVISORY and not session.has(Feature.INTENTION_CONTEXT):
        return None
    if get_drift(session.db, session.run_id, phase.id, revision) is not None:
        return None
    embedder = embedder_named(EMBEDDER.of())
    found = measure(session.plan.goal, phase.instructions, embedder=embedder)
    blocks = found.drifted and mode is DriftMode.BLOCK
    reason = (
        f"the phase drifts from the goal: similarity {found.similarity or 0:.2f} is below "
        f"{found.threshold:.2f} ({found.embedder})"
    )

    def write(conn: Connection) -> None:
        record_drift(conn, session.lease, phase.id, revision, found, mode=mode.value)
        if found.drifted:
            kind = DecisionKind.WAIT.value if blocks else "drift"
            about = AttemptKey(session.run_id, phase.id, 0)
            record_decision(conn, session.lease, about, kind, reason)
        if blocks:
            approvals.ask(conn, session.lease, phase.id, reason)

    session.transact(write)
    return Decision(DecisionKind.WAIT, reason) if blocks else None
