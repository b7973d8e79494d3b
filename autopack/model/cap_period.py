"""Days and months (UTC) that caps are for: since when they count, and when they begin anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Period(StrEnum):
    """How long a cap is for."""

    DAY = "day"
    MONTH = "month"

    def began(self, at: datetime) -> datetime:
        """Return when the period began that ``at`` lies in."""
        day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return day if self is Period.DAY else day.replace(day=1)

    def ends(self, at: datetime) -> datetime:
        """Return when the next period begins."""
        began = self.began(at)
        if self is Period.DAY:
            return began + timedelta(days=1)
        return (began + timedelta(days=32)).replace(day=1)
