"""What a period used, as JSON: what `autopack usage` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from autopack.ledger.consolidated import Usage, UsageRow
from autopack.ledger.period import Period
from autopack.views.json_values import money

FIGURES = ("events", "total", "input", "cache_read", "cache_write", "output", "unsplit", "cost")
ALL = (*FIGURES, "cost_known", "unpriced_calls")
_MONEY = ("cost", "cost_known")


def usage_view(page: Usage, *, by: str, period: Period, include_simulated: bool) -> dict[str, Any]:
    """Return a page of usage with the period that it is of; unknown days are null."""
    first, last = period.first_day, period.last_day
    return {
        "by": by,
        "since": None if first is None else first.isoformat(),
        "until": None if last is None else last.isoformat(),
        "rows": [{by: row.key, **figures(row)} for row in page.rows],
        "total": figures(page.total),
        "unknown_builds": page.unknown_builds,
        "simulated_calls": page.simulated_calls,
        "simulated_included": include_simulated,
        "next_cursor": page.next_cursor,
    }


def figures(row: UsageRow) -> dict[str, Any]:
    """Return the figures of a row; money is a number, null where it is unknown."""
    values = asdict(row)
    return {name: money(values[name]) if name in _MONEY else values[name] for name in ALL}
