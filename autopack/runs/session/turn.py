"""Waiting for room in a fleet, before anything of the run is done."""

from __future__ import annotations

import asyncio

from autopack.model.errors import DatabaseRefused
from autopack.runs.session.session import RunSession
from autopack.runs.session.stop import StopReason
from autopack.store.turns import Turn, TurnState, move_turn, turn_of

LOOK_SECONDS = 0.1


async def wait_for_turn(session: RunSession) -> None:
    """Return once no fleet holds the run back; the time is no working time of it.

    Raises RunStopped when the run is stopped, also because its fleet has given up: then it rests.
    """
    db, run_id = session.db, session.run_id
    turn = await asyncio.to_thread(turn_of, db, run_id)
    if turn is None or not turn.holds_back:
        return
    session.waits_for = f"its turn in fleet {turn.fleet}"
    try:
        with session.keeper.idle():
            await asyncio.to_thread(move_turn, db, run_id, TurnState.READY)
            while turn.holds_back:
                await session.switch.guard(asyncio.sleep(LOOK_SECONDS))
                turn = await asyncio.to_thread(_look, session, turn)
    finally:
        session.waits_for = None


def _look(session: RunSession, last: Turn) -> Turn:
    try:
        turn = turn_of(session.db, session.run_id)
    except DatabaseRefused:
        return last  # nobody knows
    if turn is None:
        session.switch.stop(StopReason.INTERRUPTED, f"fleet {last.fleet} was stopped")
        session.switch.check()
    return turn or last
