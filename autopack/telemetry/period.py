"""Periods as people name them: ``7d``, ``24h``, ``2026-01-31``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from autopack.errors import BadInput

_AGO = re.compile(r"(\d{1,6})\s*([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def parse_age(text: str, field: str) -> timedelta:
    """A length of time such as ``90d``. Raises BadInput naming ``field``."""
    found = _AGO.fullmatch(text.strip().lower())
    if found is None:
        raise BadInput(
            f"{field}: {text!r} is no length of time", field=field, hint="use 24h, 7d or 4w"
        )
    return int(found[1]) * _UNITS[found[2]]


def parse_moment(text: str, now: datetime, field: str) -> datetime:
    """A moment: so long ago (``7d``) or an ISO date or time, UTC unless it says otherwise.

    Raises BadInput naming ``field``.
    """
    if _AGO.fullmatch(text.strip().lower()):
        try:
            return now - parse_age(text, field)
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise BadInput(
            f"{field}: {text!r} is no time",
            field=field,
            hint="use 24h, 7d, 4w or a date such as 2026-01-31",
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
