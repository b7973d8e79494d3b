"""When a lease runs out: by the server's clock on PostgreSQL, by this machine's uptime on SQLite.

The time of day can be set while runs go on, and a lease must neither end early by that nor stay.
All holders of an SQLite file share a machine, whose uptime nobody sets and which counts its sleep,
too. The time of day is kept beside it, and decides after a restart of the machine.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from autopack.model.boot import boot_id
from autopack.store.database.engine import now, uptime


def lasting(conn: sa.Connection, seconds: float) -> dict[str, Any]:
    """Return the columns of a lease that runs out in so many seconds; 0 means that it has."""
    expires_at = now(conn) + timedelta(seconds=seconds)
    if conn.dialect.name != "sqlite":
        return {"expires_at": expires_at, "uptime": None}
    return {
        "expires_at": expires_at,
        "uptime": {
            "boot_id": boot_id(),
            "expires": uptime(conn) + seconds,
            "seconds": seconds,
            "with": expires_at.isoformat(),
        },
    }


class Moment:
    """One moment, by both clocks, to tell which leases have run out by it."""

    def __init__(self, conn: sa.Connection) -> None:
        self._at = now(conn)
        self._uptime = uptime(conn) if conn.dialect.name == "sqlite" else 0.0

    def is_past(self, expires_at: datetime, by_uptime: dict[str, Any] | None) -> bool:
        """Return whether a lease with these columns has run out."""
        # Who knows only the time of day (older code, a person) wrote that alone: it counts.
        if by_uptime is None or by_uptime["with"] != expires_at.isoformat():
            return expires_at <= self._at
        if by_uptime["boot_id"] == boot_id():
            return by_uptime["expires"] <= self._uptime
        # Much further away than it ever lasted: the clock was set back since the restart.
        left = (expires_at - self._at).total_seconds()
        return not 0 < left <= 2 * by_uptime["seconds"]
