"""Single values as JSON has them."""

from __future__ import annotations

from datetime import datetime


def timestamp(at: datetime | None) -> str | None:
    """ISO 8601, UTC."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")
