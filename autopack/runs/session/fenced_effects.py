"""Binding what a session does outside the database to its lease."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from autopack.runs.session.stop import StopReason, StopSwitch
from autopack.store.database.engine import Database
from autopack.store.endings import check_deliverable
from autopack.store.leases import Lease, check_current, fence
from autopack.workspace.fence import Fence


def fence_of(db: Database, lease: Lease, switch: StopSwitch) -> Fence:
    """Return the fence of a holder's git: refs move only while its lease is the current one.

    They move in a transaction that locks the lease, which is why that must be quick.
    """

    def hold(act: Callable[[], None]) -> None:
        def write(conn: Connection) -> None:
            fence(conn, lease)
            act()

        db.transact(write)

    def deliver(run_id: str, commit: str, act: Callable[[], None]) -> None:
        def write(conn: Connection) -> None:
            check_deliverable(conn, run_id, commit)
            act()

        db.transact(write)

    def is_lost() -> bool:
        stopped = switch.stopped
        return stopped is not None and stopped.reason is StopReason.LEASE_LOST

    def check() -> None:
        with db.read() as conn:
            check_current(conn, lease)

    return Fence(hold, deliver, is_lost, check)
