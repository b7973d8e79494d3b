"""When a key ends, as people say it: in ``90d``, or on a date."""

from __future__ import annotations

from datetime import UTC, datetime

from autopack.ledger.period import parse_age, parse_moment
from autopack.model.errors import BadInput


def parse_expiry(text: str | None, now: datetime, field: str) -> datetime | None:
    """Return the moment; None for None. Raises BadInput naming ``field``."""
    if text is None:
        return None
    try:
        return now + parse_age(text, field)
    except BadInput:
        return parse_moment(text, now, field)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
