"""A run that is being ended: decided and noted first, then its branch delivered, then closed.

The note carries the head and the token of the lease that decided it. Who takes over a run with
such a note carries it out instead of working on, so that whatever a frozen holder still delivers
is what its successor delivers, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from autopack.model.errors import LeaseLost
from autopack.model.states import RunState
from autopack.store.database.engine import Database, now, reading
from autopack.store.leases import Lease, fence
from autopack.store.tables import run_endings, runs


@dataclass(frozen=True)
class Ending:
    """Where a run is to end, why, and the commit that its branch is to be given."""

    run_id: str
    token: int
    state: RunState
    reason: str | None
    head_commit: str | None


def note_ending(conn: sa.Connection, lease: Lease, state: RunState, reason: str | None) -> Ending:
    """Decide that the run ends in ``state`` with the head it has now. Raises LeaseLost."""
    fence(conn, lease)
    head: str | None = conn.scalar(
        sa.select(runs.c.head_commit).where(runs.c.run_id == lease.run_id)
    )
    conn.execute(sa.delete(run_endings).where(run_endings.c.run_id == lease.run_id))
    conn.execute(
        sa.insert(run_endings).values(
            run_id=lease.run_id,
            token=lease.token,
            state=state.value,
            reason=reason,
            head_commit=head,
            noted_at=now(conn),
        )
    )
    return Ending(lease.run_id, lease.token, state, reason, head)


def noted_ending(source: Database | sa.Connection, run_id: str) -> Ending | None:
    """Return what was decided about the end of a run that is not closed yet; None when
    nothing was.
    """
    with reading(source) as conn:
        row = conn.execute(sa.select(run_endings).where(run_endings.c.run_id == run_id)).first()
    if row is None:
        return None
    return Ending(run_id, row.token, RunState(row.state), row.reason, row.head_commit)


def forget_ending(conn: sa.Connection, lease: Lease) -> None:
    """The run is closed. Raises LeaseLost."""
    fence(conn, lease)
    conn.execute(sa.delete(run_endings).where(run_endings.c.run_id == lease.run_id))


def check_deliverable(conn: sa.Connection, run_id: str, commit: str) -> None:
    """Raise LeaseLost unless the run continues and ``commit`` is its head.

    To be called in the write transaction in which the branch is moved: a holder that was frozen
    gives the branch nothing but what its successor would, and nothing once the run has ended.
    """
    row = conn.execute(
        sa.select(runs.c.state, runs.c.head_commit).where(runs.c.run_id == run_id).with_for_update()
    ).one()
    if row.state.is_final or row.head_commit != commit:
        raise LeaseLost(
            f"run {run_id} was taken over: its branch is not moved to {commit}",
            hint=f"autopack show {run_id}",
        )
