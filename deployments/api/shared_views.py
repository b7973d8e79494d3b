"""Views of a run that requests of one moment share: many may look at the same run at once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from autopack.store.database.engine import Database
from autopack.store.run_events import newest_event
from autopack.views.run_view import run_view

LIFETIME = 0.25
"""Seconds for which a view is shared; a change of the run's state ends it at once."""

_MOST = 256


@dataclass
class _Shared:
    lock: threading.Lock = field(default_factory=threading.Lock)
    view: dict[str, Any] | None = None
    number: int = -1
    made: float = 0.0


class SharedViews:
    """The last views of runs over one database."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._db, self._clock = db, clock
        self._kept: OrderedDict[str, _Shared] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, run_id: str) -> dict[str, Any]:
        """Return what ``run_view`` does, which the caller must not change.

        What was spent, and pauses that are not the run's own, may be ``LIFETIME`` old; anything
        that is an event of the run is not. Raises NotFound.
        """
        shared = self._shared(run_id)
        with shared.lock:
            number = newest_event(self._db, run_id)
            is_old = self._clock() - shared.made >= LIFETIME
            if shared.view is None or shared.number != number or is_old:
                shared.view = None  # where the run is gone by now
                shared.view, shared.made = run_view(self._db, run_id), self._clock()
                shared.number = number
            return shared.view

    def forget(self) -> None:
        """Share nothing from before now: this process has changed something."""
        with self._lock:
            self._kept.clear()

    def _shared(self, run_id: str) -> _Shared:
        with self._lock:
            shared = self._kept.setdefault(run_id, _Shared())
            self._kept.move_to_end(run_id)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
            return shared
