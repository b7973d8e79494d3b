"""Waiting for room in a fleet, before anything of the run is done."""

from __future__ import annotations

import asyncio

from autopack.model.errors import DatabaseRefused
from autopack.runs.session.session import RunSession
from autopack.runs.session.stop import StopReason
from autopack.store.turns import HELD_SECONDS, Turn, TurnState, note_ready, turn_of

LOOK_SECONDS = 0.03
_LONGEST_SECONDS = 0.5
_SHARE = 0.01
"""A run looks less often the longer it has waited, and so loses a hundredth of that at most."""


async def wait_for_turn(session: RunSession) -> None:
    """Return once no fleet holds the run back; the time is no working time of it.

    Raises RunStopped when the run is stopped, also because its fleet has given up: then it rests.
    """
    turn = await asyncio.to_thread(turn_of, session.db, session.run_id)
    if turn is None or not turn.is_kept:
        return
    session.waits_for = f"its turn in fleet {turn.fleet}"
    try:
        with session.keeper.idle():
            await asyncio.to_thread(note_ready, session.db, session.run_id)
            await _wait(session, turn)
    finally:
        session.waits_for = None


async def _wait(session: RunSession, turn: Turn) -> None:
    """Return when the turn is given, or the fleet has said nothing for so long.

    By the time in which the run could have heard it: machines sleep, and databases are away.
    """
    silent = 0.0
    waiting_since = session.clock.monotonic()
    while turn.state is not TurnState.GIVEN and silent < HELD_SECONDS:
        began = session.clock.monotonic()
        pause = min(max(_SHARE * (began - waiting_since), LOOK_SECONDS), _LONGEST_SECONDS)
        await session.switch.guard(asyncio.sleep(pause))
        seen = await asyncio.to_thread(_look, session, turn)
        if seen is not None and seen.renewed_at == turn.renewed_at:
            silent += min(session.clock.monotonic() - began, 1.0)
        else:
            silent = 0.0
        turn = seen or turn


def _look(session: RunSession, last: Turn) -> Turn | None:
    """Return how the turn stands now; None while nobody knows."""
    try:
        turn = turn_of(session.db, session.run_id)
    except DatabaseRefused:
        return None
    if turn is None:
        session.switch.stop(StopReason.INTERRUPTED, f"fleet {last.fleet} was stopped")
        session.switch.check()
    return turn
