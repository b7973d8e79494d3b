"""Whether everything that runs need is in place; looked at in the background, for it may wait."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from autopack.model.errors import AutopackError
from deployments.api.page.rendering import page
from deployments.api.page.visitors import VisitorOf
from deployments.examining import examine

router = APIRouter()


@dataclass(frozen=True)
class Looked:
    """What was found, and when; where looking itself failed, ``error`` says why."""

    at: datetime
    found: dict[str, Any] | None
    error: str | None = None

    @property
    def status(self) -> str:
        """One word for it."""
        return "unhealthy" if self.found is None else str(self.found["status"])


class HealthWatch:
    """Looks again when somebody asks and the last look is old; one look at a time."""

    _FRESH = timedelta(seconds=20)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: Looked | None = None
        self._looking: threading.Thread | None = None

    def latest(self, *, seconds: float = 0.3) -> Looked | None:
        """Return the last look, a new one where that takes no longer than ``seconds``.

        None before the first has ended.
        """
        with self._lock:
            is_old = self._last is None or datetime.now(UTC) - self._last.at > self._FRESH
            if is_old and (self._looking is None or not self._looking.is_alive()):
                self._looking = threading.Thread(target=self._look, daemon=True)
                self._looking.start()
            looking = self._looking
        if is_old and looking is not None:
            looking.join(seconds)
        return self._last

    def _look(self) -> None:
        try:
            found = Looked(datetime.now(UTC), examine())
        except AutopackError as error:
            found = Looked(datetime.now(UTC), None, error.message)
        self._last = found


HEALTH = HealthWatch()


@router.get("/health")
def health(visitor: VisitorOf) -> Response:
    """Show what `autopack health` prints."""
    return page("health.html", here="health", visitor=visitor, looked=HEALTH.latest(seconds=5))
