"""What an event adds to the sums, for everything that has to add up to them again."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from autopack.store.tables import llm_usage_events as events
from autopack.store.tables.rollups import (
    SUMS,
    usage_archive,
    usage_by_day,
    usage_by_run,
)
from autopack.store.usage_event import SUMMED

Columns = dict[str, sa.ColumnElement[Any]]

_KEYS = ("run_id", "phase_id", "attempt", "model", "role", "category", "simulated")


def event_columns(dialect: str) -> Columns:
    """Return every key and every sum of one event, as the triggers compute them."""
    return {
        **{name: events.c[name] for name in _KEYS},
        "day": _day(dialect),
        "events": sa.literal_column("1", sa.BigInteger()),
        **{
            name: sa.func.coalesce(events.c[name], 0) if events.c[name].nullable else events.c[name]
            for name in SUMMED
        },
        "unsplit_tokens": sa.case(
            (events.c.input_tokens.is_(None), events.c.total_tokens), else_=0
        ),
        "cost_microdollars": sa.func.coalesce(_money(dialect)[0], 0),
        "cost_picodollars": sa.func.coalesce(_money(dialect)[1], 0),
        "unpriced_events": sa.case((events.c.cost.is_(None), 1), else_=0),
    }


def keys_of(table: sa.Table) -> list[str]:
    """Return the columns that a table of sums is keyed by."""
    return [column.name for column in table.primary_key]


def unexplained(table: sa.Table, dialect: str) -> sa.Select[Any]:
    """Return the keys of ``table`` whose sums are not those of ledger and archive, with the
    difference.

    ``table`` is `usage_by_run` or `usage_by_day`.
    """
    keys = keys_of(table)
    added = event_columns(dialect)
    parts = sa.union_all(
        sa.select(*(added[name].label(name) for name in (*keys, *SUMS))),
        sa.select(*(usage_archive.c[name] for name in (*keys, *SUMS))),
        sa.select(
            *(table.c[key] for key in keys), *((-table.c[name]).label(name) for name in SUMS)
        ),
    ).subquery()
    sums = {name: sa.func.sum(parts.c[name]) for name in SUMS}
    return (
        sa.select(*(parts.c[key] for key in keys), *(sums[name].label(name) for name in SUMS))
        .group_by(*(parts.c[key] for key in keys))
        .having(sa.or_(*(total != 0 for total in sums.values())))
        .order_by(*(parts.c[key] for key in keys))
    )


def _day(dialect: str) -> sa.ColumnElement[Any]:
    if dialect == "sqlite":
        return sa.literal_column("substr(llm_usage_events.created_at, 1, 10)", sa.Date())
    return sa.cast(sa.func.timezone("UTC", events.c.created_at), sa.Date())


def _money(dialect: str) -> tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]:
    """Whole millionths of a dollar, and the picodollars beyond them; exact on either engine."""
    cost = "llm_usage_events.cost"
    if dialect == "sqlite":
        point = f"instr({cost}, '.')"
        decimals = f"CASE {point} WHEN 0 THEN '' ELSE substr({cost}, {point} + 1) END"
        decimals = f"({decimals} || '000000000000')"
        micro = f"CAST({cost} AS INTEGER) * 1000000 + CAST(substr({decimals}, 1, 6) AS INTEGER)"
        pico = f"CAST(substr({decimals}, 7, 6) AS INTEGER)"
    else:
        micro = f"TRUNC({cost} * 1000000)::bigint"
        pico = f"ROUND(({cost} * 1000000 - TRUNC({cost} * 1000000)) * 1000000)::bigint"
    big = sa.BigInteger()
    return sa.literal_column(f"({micro})", big), sa.literal_column(f"({pico})", big)


ROLLUPS = (usage_by_run, usage_by_day)
