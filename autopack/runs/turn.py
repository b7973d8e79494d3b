"""Waiting for room in a fleet, before anything of the run is done."""

from __future__ import annotations

import asyncio

from autopack.model.errors import DatabaseRefused
from autopack.runs.session.session import is_stopping
from autopack.store.database.engine import Database
from autopack.store.turns import Turn, TurnState, move_turn, turn_of

LOOK_SECONDS = 0.1


async def has_turn(run_id: str, db: Database) -> bool:
    """Return True once no fleet holds the run back.

    False means that it is to rest: its fleet has given up, it was cancelled or has ended, or this
    process is to stop.
    """
    turn = await asyncio.to_thread(turn_of, db, run_id)
    if turn is None:
        return True
    if turn.holds_back:
        await asyncio.to_thread(move_turn, db, run_id, TurnState.READY)
    while turn is not None and turn.holds_back and not turn.is_moot and not is_stopping():
        await asyncio.sleep(LOOK_SECONDS)
        turn = await asyncio.to_thread(_look, db, run_id, turn)
    return turn is not None and not turn.holds_back and not turn.is_moot


def _look(db: Database, run_id: str, last: Turn) -> Turn | None:
    try:
        return turn_of(db, run_id)
    except DatabaseRefused:
        return last  # nobody knows
