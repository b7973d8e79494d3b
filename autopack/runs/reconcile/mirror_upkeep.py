"""The private clones of a home: what ended runs left in them, archived and packed."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from autopack.model.errors import AutopackError
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.folder_note import find_folder
from autopack.store.runs import find_run
from autopack.workspace.packing import mirrors, tend

KEPT = timedelta(days=14)
"""How long the refs of a run stay after its end, so that it is looked at without a search."""

_log = logging.getLogger(__name__)


def tend_mirrors(
    db: Database, settings: Settings, now: datetime, *, kept: timedelta = KEPT
) -> tuple[int, int]:
    """Archive the refs of runs of ``db`` that ended longer ago than ``kept``, and pack.

    Runs of other databases are left alone. One clone that cannot be tended does not keep the
    others from it. Returns how many refs were archived, and how many clones packed.
    """

    def has_ended(name: str) -> bool:
        run = find_run(db, name.partition("@")[0])
        if run is None or run.finished_at is None or run.finished_at > now - kept:
            return False
        return run.state.is_final and find_folder(settings.home, db, run.run_id).name == name

    archived = packed = 0
    for mirror in mirrors(settings.home):
        try:
            done = tend(mirror, has_ended, now)
        except (AutopackError, OSError) as error:
            _log.warning("the clone %s cannot be tended: %s", mirror, error)
            continue
        archived += done.archived_refs if done else 0
        packed += done.packed if done else 0
    return archived, packed
