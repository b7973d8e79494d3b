"""What requests and streams of one moment share: many may look at the same run at once."""

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
    found: dict[str, Any] | None = None
    number: int = -1
    made: float = 0.0


class SharedViews:
    """The last views of runs over one database, and what streams of the page show."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._db, self._clock = db, clock
        self._kept: OrderedDict[str, _Shared] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, run_id: str) -> dict[str, Any]:
        """Return what ``run_view`` does, which the caller must not change.

        What was spent, and pauses that are not the run's own, may be ``LIFETIME`` old; anything
        that is an event of the run is not. Raises NotFound.
        """
        return self.share(
            f"view {run_id}",
            lambda: run_view(self._db, run_id),
            number=lambda: newest_event(self._db, run_id),
            lifetime=LIFETIME,
        )

    def share(
        self,
        key: str,
        make: Callable[[], dict[str, Any]],
        *,
        number: Callable[[], int],
        lifetime: float,
    ) -> dict[str, Any]:
        """Return what ``make`` made last: the same object until ``number``, which is cheap to ask
        for, has changed or ``lifetime`` seconds are over.
        """
        shared = self._shared(key)
        with shared.lock:
            at = number()  # what happens from now on is not in what is made
            is_old = self._clock() - shared.made >= lifetime
            if shared.found is None or shared.number != at or is_old:
                shared.found = None  # where the run is gone by now
                shared.found, shared.made = make(), self._clock()
                shared.number = at
            return shared.found

    def forget(self) -> None:
        """Share nothing from before now: this process has changed something."""
        with self._lock:
            self._kept.clear()

    def _shared(self, key: str) -> _Shared:
        with self._lock:
            shared = self._kept.setdefault(key, _Shared())
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
            return shared
