"""Many times a second, one read of all runs that a process waits for: a slot is wanted."""

from __future__ import annotations

from collections.abc import Sequence

from autopack.model.errors import DatabaseRefused
from autopack.model.states import RunState
from autopack.store.database.engine import Database
from autopack.store.reading import states_of
from flows.shared_look import SharedLook

LOOK_SECONDS = 0.05


def has_stopped(state: RunState) -> bool:
    """Return whether nobody needs to work on a run: it has ended, or waits for a person."""
    return state.is_final or state is RunState.AWAITING_APPROVAL


class RunWatch:
    """Tells those who wait for runs of one database."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._look = SharedLook(LOOK_SECONDS, self._stopped)

    async def until_stopped(self, run_id: str, seconds: float) -> None:
        """Return when the run has ended or waits for a person, or after so many seconds."""
        await self._look.until_found(run_id, seconds)

    async def _stopped(self, run_ids: Sequence[str]) -> list[str]:
        try:
            states = states_of(self.db, run_ids)
        except DatabaseRefused:
            return []  # the caller reads the run, too, and says so
        return [run_id for run_id, state in states.items() if has_stopped(state)]
