"""The result of one run among many."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from autopack.files import safe_files
from autopack.ledger.events.usage_events import token_totals
from autopack.model.errors import AutopackError, NotFound
from autopack.model.states import RunState
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.folder_note import find_folder
from autopack.store.runs import get_run
from autopack.views.run_view import timestamp


@dataclass(frozen=True)
class FleetItem:
    """How a run ended. ``workspace_path`` is its checkout while there is one (an unfinished run).

    ``error`` says why it is no success; ``state`` is None for a run that could not be stored.
    """

    run_id: str
    success: bool
    state: str | None
    error: str | None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    workspace_path: str | None = None
    tokens: int | None = None

    def as_json(self) -> dict[str, Any]:
        """As fleets return it: times in ISO 8601, UTC."""
        times = {
            "started_at": timestamp(self.started_at),
            "finished_at": timestamp(self.finished_at),
        }
        return asdict(self) | times


def refused(run_id: str, error: AutopackError) -> FleetItem:
    """Return a run that was never stored."""
    return FleetItem(run_id, success=False, state=None, error=error.message)


def item_of(
    db: Database, settings: Settings, run_id: str, error: Exception | None = None
) -> FleetItem:
    """Return how a run stands now; ``error`` is what stopped its execution."""
    try:
        run = get_run(db, run_id)
    except NotFound as missing:
        return refused(run_id, missing)
    message = error.message if isinstance(error, AutopackError) else error and str(error)
    work = find_folder(settings.home, db, run_id) / "work"
    checkouts = safe_files.names(work)
    return FleetItem(
        run_id=run_id,
        success=run.state is RunState.DONE_SUCCESS,
        state=run.state.value,
        error=None if run.state is RunState.DONE_SUCCESS else message or run.failure_reason,
        started_at=run.started_at,
        finished_at=run.finished_at,
        workspace_path=str(work / checkouts[-1]) if checkouts else None,
        tokens=token_totals(db, run_id).total,
    )
