"""Single values as JSON has them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal


def timestamp(at: datetime | None) -> str | None:
    """ISO 8601, UTC."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def money(cost: Decimal | None) -> float | None:
    """US dollars as a JSON number; None when any price is unknown."""
    return None if cost is None else float(cost)
