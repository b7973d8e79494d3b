"""Writing down what follows an attempt."""

from __future__ import annotations

from sqlalchemy import Connection

from autopack.model.ids import AttemptKey
from autopack.repair.decide import (
    Decision,
)
from autopack.runs.session.session import RunSession
from autopack.store.runs import (
    get_decisions,
    record_decision,
)


def record(conn: Connection, session: RunSession, key: AttemptKey, decision: Decision) -> None:
    record_decision(
        conn,
        session.lease,
        key,
        decision.kind.value,
        decision.reason,
        run_state=decision.run_state,
    )


def record_once(conn: Connection, session: RunSession, key: AttemptKey, decision: Decision) -> None:
    """Record a decision that is taken again every few seconds, the first time."""
    told = [one for one in get_decisions(conn, session.run_id) if one.phase_id == key.phase_id]
    latest = told[-1] if told else None
    said = (decision.kind.value, decision.reason, key.attempt)
    if latest is None or (latest.kind, latest.reason, latest.attempt) != said:
        record(conn, session, key, decision)
