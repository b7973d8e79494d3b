"""What runs and periods cost, and what is claimed to have been saved: two sets, never added.

What was spent is counted, and its parts sum to it. The three claimed figures are each of another
kind (modelled, counterfactual, measured), which their names say.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, get_args

import sqlalchemy as sa

from autopack.ledger.events.usage_events import TokenTotals, dollars, token_totals_where
from autopack.ledger.held_out import mitigations_saved
from autopack.model.errors import BadInput, NotFound
from autopack.model.features import Feature
from autopack.model.pages import DEFAULT_LIMIT, check_limit
from autopack.store.database.engine import Database, reading
from autopack.store.tables import attempts, llm_call_intents, runs
from autopack.store.tables.patterns import pattern_hits
from autopack.store.tables.rollups import (
    SUMS,
    consolidated_token_views,
    phase6_metrics,
    token_efficiency_metrics,
    usage_by_day,
    usage_by_run,
)

By = Literal["model", "role", "category", "day", "run"]
EstimateSource = Literal["run_local", "global", "fallback"]
ESTIMATE_SOURCES: tuple[EstimateSource, ...] = get_args(EstimateSource)


@dataclass(frozen=True)
class Claimed:
    """Tokens that were not spent, each figure by a method of its own; None when there is none."""

    artifact_tokens_avoided_modelled: int | None
    doctor_tokens_avoided_counterfactual: int | None
    ab_tokens_saved_measured: int | None
    mitigations_saved_measured: int | None = None


@dataclass(frozen=True)
class Coverage:
    """Estimates of one source: how many there are, and of how many doctor calls they are made."""

    count: int
    total_n: int


@dataclass(frozen=True)
class Consolidated:
    """The figures of some runs; ``claimed`` and ``coverage`` are None when no run claims any."""

    spent: TokenTotals
    claimed: Claimed | None
    coverage: dict[EstimateSource, Coverage] | None


def consolidated_tokens(
    source: Database | sa.Connection, *run_ids: str, campaign: str | None = None
) -> Consolidated:
    """Return what one run, several, or the runs of ``campaign`` spent and claim to have saved.

    Only runs that had ``consolidated_metrics`` on claim anything. Raises NotFound for a run of
    which neither a record nor a call is known, and for a campaign that no run belongs to.
    """

    def chosen(table: sa.Table) -> sa.ColumnElement[bool]:
        if campaign is None:
            return table.c.run_id.in_(run_ids)
        return table.c.run_id.in_(sa.select(runs.c.run_id).where(runs.c.campaign_id == campaign))

    def claiming(table: sa.Table) -> sa.ColumnElement[bool]:
        return table.c.run_id.in_(sa.select(runs.c.run_id).where(chosen(runs), _IS_ON))

    with reading(source) as conn:
        _check_known(conn, run_ids, campaign)
        any_claims = conn.scalar(sa.select(sa.exists().where(chosen(runs), _IS_ON)))
        return Consolidated(
            token_totals_where(conn, chosen),
            _claimed(conn, claiming) if any_claims else None,
            coverage(conn, claiming(phase6_metrics)) if any_claims else None,
        )


# The text of a list of names; both engines keep it as it was written.
_IS_ON = sa.cast(runs.c.features, sa.Text).contains(f'"{Feature.CONSOLIDATED_METRICS.value}"')


def _check_known(conn: sa.Connection, run_ids: Sequence[str], campaign: str | None) -> None:
    """Raise NotFound for what nothing is known of."""
    if campaign is not None:
        if not count_of_campaign(conn, campaign):
            raise NotFound(f"no run belongs to a campaign {campaign!r}", field="campaign")
        return
    for run_id in run_ids:
        if not is_known(conn, run_id):
            raise NotFound(f"there is no run {run_id!r}", field="run_id", hint="autopack runs")


def is_known(conn: sa.Connection, run_id: str) -> bool:
    """Return whether there is a run, or a call, of that id."""
    tables = (runs, usage_by_run)
    asked = (sa.exists().where(table.c.run_id == run_id) for table in tables)
    return bool(conn.scalar(sa.select(sa.or_(*asked))))


def count_of_campaign(conn: sa.Connection, campaign: str) -> int:
    """Return how many runs belong to it."""
    query = sa.select(sa.func.count()).where(runs.c.campaign_id == campaign)
    return conn.scalar(query) or 0


def _claimed(conn: sa.Connection, chosen: Callable[[sa.Table], sa.ColumnElement[bool]]) -> Claimed:
    # Three queries, for a join would count the rows of one table once for each of another.
    def total(table: sa.Table, column: str) -> int | None:
        found = conn.scalar(sa.select(sa.func.sum(table.c[column])).where(chosen(table)))
        return None if found is None else int(found)

    return Claimed(
        total(token_efficiency_metrics, "tokens_saved_artifacts"),
        total(phase6_metrics, "doctor_tokens_avoided_estimate"),
        total(consolidated_token_views, "ab_tokens_saved_measured"),
        mitigations_saved(conn, chosen(pattern_hits)),
    )


def coverage(conn: sa.Connection, where: sa.ColumnElement[bool]) -> dict[EstimateSource, Coverage]:
    """Return where the estimates of the chosen rows of phase6_metrics come from."""
    table = phase6_metrics
    query = (
        sa.select(
            table.c.estimate_source,
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(table.c.estimate_coverage_n), 0),
        )
        .where(where, table.c.estimate_source.is_not(None))
        .group_by(table.c.estimate_source)
    )
    found = {name: Coverage(count, int(n)) for name, count, n in conn.execute(query)}
    return {name: found.get(name, Coverage(0, 0)) for name in ESTIMATE_SOURCES}


@dataclass(frozen=True)
class UsageRow:
    """What one model, role, category, day or run used in a period.

    ``cost`` is None when a call has no known price; ``cost_known`` is what the others cost, None
    where there are no others.
    """

    key: str
    events: int
    total: int
    input: int
    cache_read: int
    cache_write: int
    output: int
    unsplit: int
    cost: Decimal | None
    cost_known: Decimal | None
    unpriced_calls: int


@dataclass(frozen=True)
class Usage:
    """A page of a period's usage, by key; ``total`` is that of the period, not of the page.

    ``simulated_calls`` are in neither, unless they were asked for: calls of recordings and
    simulations, for which nobody was paid. ``unknown_builds`` of the period told less than all of
    what they used; the cost of the period is then unknown.
    """

    rows: tuple[UsageRow, ...]
    total: UsageRow
    next_cursor: str | None
    simulated_calls: int = 0
    unknown_builds: int = 0


def usage(
    source: Database | sa.Connection,
    *,
    by: By,
    since: date | None = None,
    until: date | None = None,
    limit: int = DEFAULT_LIMIT,
    after: str | None = None,
    include_simulated: bool = False,
) -> Usage:
    """Return what was used on the UTC days from ``since`` to ``until``, both included.

    Calls of recordings and simulations only with ``include_simulated``. Raises BadInput naming
    ``by``, ``limit`` or ``after``.
    """
    if by not in get_args(By):
        raise BadInput(f"invalid by: {by!r}", field="by", hint=f"use {', '.join(get_args(By))}")
    check_limit(limit)
    table = usage_by_run if by == "run" else usage_by_day
    key = table.c["run_id" if by == "run" else by]
    period: list[sa.ColumnElement[bool]] = [sa.true()]
    if since is not None:
        period.append(table.c.day >= since)
    if until is not None:
        period.append(table.c.day <= until)
    of_period = list(period)
    if not include_simulated:
        period.append(table.c.simulated.is_(False))
    sums = [sa.func.sum(table.c[name]).label(name) for name in SUMS]
    query = sa.select(key.label("key"), *sums).where(*period).group_by(key).order_by(key)
    if by == "run" and len(of_period) > 1:
        # Else SQLite reads the sums of every run that ever was, for they lie in the right order.
        query = query.where(key.in_(sa.select(key).where(*period)))
    if after is not None:
        last = _decode(after)
        query = query.where(key > (_day(last) if by == "day" else last))
    with reading(source) as conn:
        # One more than asked for tells whether there is a next page.
        found = [_usage_row(row) for row in conn.execute(query.limit(limit + 1)).mappings()]
        whole = conn.execute(sa.select(*sums).where(*period)).mappings().one()
        simulated = conn.scalar(
            sa.select(sa.func.sum(table.c.events)).where(*of_period, table.c.simulated.is_(True))
        )
        unknown = _unknown_builds(conn, since, until)
    rows = tuple(found[:limit])
    cursor = _encode(rows[-1].key) if len(found) > limit else None
    total = _usage_row({"key": "total", **whole})
    if unknown:
        priced = total.events > total.unpriced_calls
        total = replace(total, cost=None, cost_known=total.cost_known if priced else None)
    return Usage(rows, total, cursor, int(simulated or 0), unknown)


def _unknown_builds(conn: sa.Connection, since: date | None, until: date | None) -> int:
    """Builds begun in a period that told less than all they used; none of a stand-in's."""
    intents = llm_call_intents
    query = (
        sa.select(sa.func.count())
        .select_from(
            intents.outerjoin(runs, runs.c.run_id == intents.c.run_id).outerjoin(
                attempts,
                sa.and_(
                    attempts.c.run_id == intents.c.run_id,
                    attempts.c.phase_id == intents.c.phase_id,
                    attempts.c.attempt == intents.c.attempt,
                ),
            )
        )
        .where(
            intents.c.closed_at.is_(None),
            intents.c.told.is_not(None),
            intents.c.role == "builder",
            sa.or_(runs.c.builder.is_(None), sa.not_(_is_stand_in())),
        )
    )
    if since is not None:
        query = query.where(intents.c.opened_at >= _midnight(since))
    if until is not None and until < date.max:
        query = query.where(intents.c.opened_at < _midnight(until) + timedelta(days=1))
    return conn.scalar(query) or 0


def _is_stand_in() -> sa.ColumnElement[bool]:
    """Return whether an attempt's builder pays nobody; the run's where the attempt is archived."""
    from autopack.agents.registry import simulated_names  # loads pydantic, which few views need

    names = simulated_names()
    plain = sa.func.coalesce(attempts.c.builder, runs.c.builder)
    blocks = [plain.startswith(f"{name}/", autoescape=True) for name in names]
    return sa.or_(plain.in_(names), *blocks)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _usage_row(row: Any) -> UsageRow:
    figures = {name: int(row[name] or 0) for name in SUMS}
    events, unpriced = figures["events"], figures["unpriced_events"]
    key: date | str = row["key"]
    return UsageRow(
        key=key.isoformat() if isinstance(key, date) else key,
        events=events,
        total=figures["total_tokens"],
        input=figures["input_tokens"],
        cache_read=figures["cache_read_tokens"],
        cache_write=figures["cache_write_tokens"],
        output=figures["output_tokens"],
        unsplit=figures["unsplit_tokens"],
        cost=None if unpriced else dollars(figures),
        cost_known=None if 0 < unpriced == events else dollars(figures),
        unpriced_calls=unpriced,
    )


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _decode(cursor: str) -> str:
    try:
        return base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise _no_cursor(cursor) from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise _no_cursor(text) from error


def _no_cursor(text: str) -> BadInput:
    return BadInput(
        f"invalid cursor: {text!r}", field="after", hint="use `next_cursor` of the page before"
    )
