"""Periods as people name them: ``7d``, ``24h``, ``2026-01-31``."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from autopack.clock import in_utc
from autopack.model.errors import BadInput

_AGO = re.compile(r"(\d{1,6})\s*([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def parse_age(text: str, field: str) -> timedelta:
    """Return a length of time such as ``90d``. Raises BadInput naming ``field``."""
    found = _AGO.fullmatch(text.strip().lower())
    if found is None:
        raise BadInput(
            f"{field}: invalid length of time: {text!r}", field=field, hint="use 24h, 7d or 4w"
        )
    return int(found[1]) * _UNITS[found[2]]


def moment_ago(now: datetime, age: timedelta, field: str) -> datetime:
    """Return the moment so long ago. Raises BadInput naming ``field`` before the calendar began."""
    try:
        return now - age
    except OverflowError as error:
        raise BadInput(
            f"{field}: no run ended {age.days:,} days ago", field=field, hint="use 90d or 12w"
        ) from error


def parse_moment(text: str, now: datetime, field: str) -> datetime:
    """Return a moment: so long ago (``7d``) or an ISO date or time, UTC unless it says otherwise.

    Raises BadInput naming ``field``.
    """
    if _AGO.fullmatch(text.strip().lower()):
        try:
            return now - parse_age(text, field)
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)
    try:
        return in_utc(datetime.fromisoformat(text.strip()))
    except ValueError as error:
        raise BadInput(
            f"{field}: invalid time: {text!r}",
            field=field,
            hint="use 24h, 7d, 4w or a date such as 2026-01-31",
        ) from error


@dataclass(frozen=True)
class Period:
    """From ``since`` on and before ``before``; None where it is open. ``last_day`` is in it."""

    since: datetime | None = None
    before: datetime | None = None
    last_day: date | None = None

    @property
    def first_day(self) -> date | None:
        """The UTC day in which it begins."""
        return None if self.since is None else self.since.date()


def parse_period(
    since: str | None, until: str | None, now: datetime, *, prefix: str = ""
) -> Period:
    """Return the period that two texts name: a day of ``until`` is in it, as is one of ``since``.

    Raises BadInput naming the field, with ``prefix`` before its name.
    """
    after = None if since is None else parse_moment(since, now, f"{prefix}since")
    before = last_day = None
    if until is not None:
        moment = parse_moment(until, now, f"{prefix}until")
        before, last_day = moment, moment.date()
        if _is_day(until):
            try:
                before += timedelta(days=1)
            except OverflowError:
                before = datetime.max.replace(tzinfo=UTC)
    if after is not None and before is not None and after >= before:
        raise BadInput(
            f"{prefix}since {since} is after {prefix}until {until}",
            field=f"{prefix}since",
            hint="swap the two",
        )
    return Period(after, before, last_day)


def _is_day(text: str) -> bool:
    with suppress(ValueError):
        date.fromisoformat(text.strip())
        return True
    return False
