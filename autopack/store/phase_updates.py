"""Status updates of phases by a builder outside of Autopack, along the table of transitions."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from autopack.model.errors import LeaseLost, NotFound, Refused
from autopack.model.states import PhaseState, RunState
from autopack.store.database.engine import Database, now
from autopack.store.holders import Holder
from autopack.store.leases import Lease
from autopack.store.reading import get_phases, get_run
from autopack.store.rows import PhaseFailure
from autopack.store.runs import move_phase
from autopack.store.tables import leases


@dataclass(frozen=True)
class PhaseUpdate:
    """Where a phase is now; ``commit`` is what a completed one made, ``failure`` why it is not."""

    state: PhaseState
    commit: str | None = None
    failure: PhaseFailure | None = None


def update_phase(db: Database, run_id: str, phase_id: str, token: int, update: PhaseUpdate) -> bool:
    """Move a phase for the holder of the run's lease ``token``; return whether it moved.

    A phase that is there already stays as it is. Raises NotFound, LeaseLost for another token than
    the run's current one, IllegalTransition, and Refused for a run that is not being executed.
    """

    def write(conn: sa.Connection) -> bool:
        run = get_run(conn, run_id)
        lease = _lease(conn, run_id, token)
        if run.state is not RunState.PHASE_EXECUTION:
            raise Refused(
                f"run {run_id} is not being executed: {run.state}",
                field="run_id",
                hint="see its status",
            )
        phase = next((one for one in get_phases(conn, run_id) if one.phase_id == phase_id), None)
        if phase is None:
            raise NotFound(f"run {run_id} has no phase {phase_id!r}", field="phase_id")
        if phase.state is update.state and update.commit in (None, phase.commit):
            return False
        move_phase(
            conn, lease, phase_id, update.state, commit=update.commit, failure=update.failure
        )
        return True

    return db.transact(write)


def _lease(conn: sa.Connection, run_id: str, token: int) -> Lease:
    """Return the run's lease where ``token`` is its current one. Raises LeaseLost."""
    row = conn.execute(sa.select(leases).where(leases.c.run_id == run_id).with_for_update()).first()
    if row is None or row.token != token or row.expires_at is None or row.token == 0:
        raise LeaseLost(
            f"{token} is not the current lease of run {run_id}",
            field="lease_token",
            hint="its status tells the current one",
        )
    return Lease(run_id, token, Holder.from_json(row.holder), row.expires_at or now(conn))
