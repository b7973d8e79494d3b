"""Room on the disk: without it, what a build spends could not be written down."""

from __future__ import annotations

import shutil

from autopack.repair.decide import Decision, DecisionKind
from autopack.runs.session.session import RunSession

_PAUSE_SECONDS = 10.0


def wait_for_room(session: RunSession) -> Decision | None:
    """Return why the build may not start yet; None when there is room for its work and its
    record.
    """
    least = session.settings.min_free_bytes
    free = shutil.disk_usage(session.folder).free
    if free >= least:
        return None
    return Decision(
        DecisionKind.DEFER,
        f"the disk of {session.folder} has {free / 1e6:,.0f} MB left, and a build may need "
        f"{least / 1e6:,.0f} MB (AUTOPACK_MIN_FREE_MB)",
        seconds=min(_PAUSE_SECONDS, session.seconds_left()),
    )
