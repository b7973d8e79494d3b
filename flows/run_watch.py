"""Several times a second, one look at all runs that a process waits for: their slots are wanted."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from autopack.model.errors import DatabaseRefused
from autopack.model.states import RunState
from autopack.store.database.engine import Database
from autopack.store.reading import states_of

LOOK_SECONDS = 0.1


def has_stopped(state: RunState) -> bool:
    """Return whether nobody needs to work on a run: it has ended, or waits for a person."""
    return state.is_final or state is RunState.AWAITING_APPROVAL


class RunWatch:
    """Tells those who wait for runs of one database, of which any number cost one read a look."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._told: dict[str, asyncio.Event] = {}
        self._looking: asyncio.Task[None] | None = None

    async def until_stopped(self, run_id: str, seconds: float) -> None:
        """Return when the run has ended or waits for a person, or after so many seconds."""
        told = self._told.setdefault(run_id, asyncio.Event())
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), seconds)
        finally:
            self._told.pop(run_id, None)

    async def _look(self) -> None:
        while self._told:
            await asyncio.sleep(LOOK_SECONDS)
            # Whoever waits reads the run, too, and says when there is no answer.
            with suppress(DatabaseRefused):
                for run_id, state in states_of(self.db, list(self._told)).items():
                    if has_stopped(state) and run_id in self._told:
                        self._told[run_id].set()
