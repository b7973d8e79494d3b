"""One call of a model that is no build: its budget set aside, its intent opened, then its cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from autopack.ledger.budget import reservations
from autopack.ledger.recorder import Intent, Recorder
from autopack.model.budget import (
    NOTHING,
    Level,
    Reservation,
    first_exhausted,
    reservation_of_call,
    room,
)
from autopack.model.calls import (
    ModelCall,
)
from autopack.model.ids import AttemptKey
from autopack.model.prices import is_priced
from autopack.runs.attempt.budget_watch import amount_of
from autopack.runs.session.session import RunSession
from autopack.store.intents import (
    keep_open,
    next_call,
    open_intent,
)
from autopack.store.tables import Role
from autopack.store.usage_event import UsageEvent

_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class Call:
    """A call that may be made now: announced, with ``held`` set aside for it."""

    intent: Intent
    held: Reservation

    @property
    def seconds(self) -> float:
        """How long it may take."""
        return self.held.minutes * 60


async def announce(
    session: RunSession, key: AttemptKey, role: Role, most: ModelCall, seconds: float
) -> Call | str:
    """Open the intent of a call and reserve ``most`` of it at every level, in one transaction.

    Waits while other runs hold what is left of the budget. A text says why the call is not to be
    made: a cap is reached, or has no room for all of it. Raises LeaseLost.
    """
    is_priced("", "")  # loads the price list, which takes longer than a transaction may
    wanted = replace(amount_of([most]), minutes=seconds / 60)

    def write(conn: sa.Connection) -> Call | str | None:
        reservations.lock(conn, session.lease)
        levels = session.levels(conn, session.phase(key.phase_id))
        if (exhausted := first_exhausted(levels)) is not None:
            return str(exhausted)
        held = reservation_of_call(room(levels), wanted)
        if held is None:
            if reservation_of_call(room(_unheld(levels)), wanted) is not None:
                return None
            return f"no budget has room for another call of up to {wanted.tokens:,} tokens"
        number = next_call(conn, key, role)
        open_intent(conn, key, role, number)
        reservations.reserve(conn, key, held, role=role, call=number)
        return Call(Intent(key, role, number), held)

    while (found := session.transact(write, ())) is None:
        with session.keeper.idle():
            await session.switch.guard(asyncio.sleep(_PAUSE_SECONDS))
    return found


def record(
    session: RunSession,
    one: Intent,
    events: Sequence[UsageEvent],
    calls: Sequence[ModelCall],
    *,
    is_whole: bool = True,
    also: Callable[[sa.Connection], None] | None = None,
) -> None:
    """Count what a call used and settle its reservation, even if the lease is lost by now; do
    ``also`` in that transaction.

    One that used more than it told, so that it is not ``is_whole``, stays unreconciled.
    """

    def settle(conn: sa.Connection) -> None:
        reservations.settle_call(conn, one.key, one.role, one.call, amount_of(calls))
        if not is_whole:
            keep_open(conn, one.key, "unknown", one.role, one.call)
        if also is not None:
            also(conn)

    Recorder(session.db, session.folder).record(
        events, closes=one if is_whole else None, also=settle
    )


def record_lost(session: RunSession, events: Sequence[UsageEvent]) -> None:
    """Count what is known of a call that is given up."""
    Recorder(session.db, session.folder).record(events)


def give_up(session: RunSession, one: Intent) -> None:
    """Close a call of which nobody will know what it used: it stays unreconciled."""

    def write(conn: sa.Connection) -> None:
        keep_open(conn, one.key, "unknown", one.role, one.call)
        reservations.settle_call(conn, one.key, one.role, one.call, None)

    session.transact(write, ())


def _unheld(levels: Sequence[Level]) -> list[Level]:
    """Return the levels as they are when every call that is under way has used nothing."""
    return [replace(level, reserved=NOTHING) for level in levels]
