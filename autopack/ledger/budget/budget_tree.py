"""The tree of budgets in the database: caps, what is reserved, what the ledger says is spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import sqlalchemy as sa

from autopack.ledger.events.usage_events import dollars, lost_by_phase
from autopack.model.budget import (
    NO_PRICE,
    Amounts,
    Level,
    Limits,
    Resource,
    Scope,
)
from autopack.model.errors import NotFound
from autopack.store import tables
from autopack.store.database.engine import (
    Database,
    insert_new,
    now,
    reading,
)
from autopack.store.reading import Source, get_run
from autopack.store.rows import RunRow
from autopack.store.tables.rollups import usage_by_run


def set_campaign(db: Database, campaign_id: str, limits: Limits) -> None:
    """Give a campaign these caps, whether or not it has been named before."""

    def write(conn: sa.Connection) -> None:
        table = tables.budget_campaigns
        conn.execute(insert_new(conn, table).values(campaign_id=campaign_id, created_at=now(conn)))
        conn.execute(
            sa.update(table)
            .where(table.c.campaign_id == campaign_id)
            .values(token_cap=limits.tokens, cost_cap=limits.cost, minutes_cap=limits.minutes)
        )

    db.transact(write)


def campaign_level(source: Source, campaign_id: str) -> Level:
    """A campaign with the sums over its runs. Raises NotFound."""
    table, runs = tables.budget_campaigns, tables.runs
    with reading(source) as conn:
        row = conn.execute(sa.select(table).where(table.c.campaign_id == campaign_id)).first()
        if row is None:
            raise NotFound(
                f"there is no campaign {campaign_id!r}",
                field="campaign",
                hint="autopack budget set CAMPAIGN --tokens N",
            )
        of_campaign = sa.select(runs.c.run_id).where(runs.c.campaign_id == campaign_id)
        minutes = conn.scalar(
            sa.select(sa.func.coalesce(sa.func.sum(runs.c.elapsed_seconds), 0.0)).where(
                runs.c.campaign_id == campaign_id
            )
        )
        # What is reserved first: a build that is settled in between counts twice this once. The
        # other way round it would be forgotten, for each statement sees what is committed by then.
        held = _reserved(conn, tables.budget_reservations.c.run_id.in_(of_campaign))
        spent = _summed(conn, lambda one: one.c.run_id.in_(of_campaign))
        return Level(
            Scope.CAMPAIGN,
            campaign_id,
            Limits(row.token_cap, row.cost_cap, row.minutes_cap),
            replace(spent, minutes=float(minutes or 0) / 60),
            held,
        )


def levels(
    source: Source,
    run_id: str,
    phase_caps: Mapping[str, Limits],
    *,
    uncounted_minutes: float = 0.0,
) -> list[Level]:
    """Return a run's campaign, where it has one, the run, and the phases named: outermost first.

    ``phase_caps`` are the caps of the plan, ``uncounted_minutes`` the working time that the
    run's row does not have yet.
    """
    with reading(source) as conn:
        run = get_run(conn, run_id)
        above = [] if run.campaign_id is None else [campaign_level(conn, run.campaign_id)]
        spent_minutes = run.elapsed_seconds / 60 + uncounted_minutes
        found = [
            *above,
            _run_level(conn, run, spent_minutes),
            *(_phase_level(conn, run_id, phase_id, cap) for phase_id, cap in phase_caps.items()),
        ]
        accepts = _accepts_unpriced(conn, run_id)
        return [replace(level, accepts_unpriced=accepts) for level in found]


def _accepts_unpriced(conn: sa.Connection, run_id: str) -> bool:
    """Return whether a person was asked about calls without a price, and let the run continue."""
    table = tables.approvals
    asked = sa.exists().where(
        table.c.run_id == run_id,
        table.c.resource == Resource.COST,
        table.c.approved.is_(True),
        table.c.question.contains(NO_PRICE),
    )
    return bool(conn.scalar(sa.select(asked)))


def _run_level(conn: sa.Connection, run: RunRow, minutes: float) -> Level:
    held = _reserved(conn, tables.budget_reservations.c.run_id == run.run_id)  # first, as above
    spent = _summed(conn, lambda one: one.c.run_id == run.run_id)
    return Level(
        Scope.RUN,
        run.run_id,
        Limits(run.token_cap, run.cost_cap, run.minutes_cap),
        replace(spent, minutes=minutes),
        held,
    )


def _phase_level(conn: sa.Connection, run_id: str, phase_id: str, caps: Limits) -> Level:
    held = tables.budget_reservations
    reserved = _reserved(conn, held.c.run_id == run_id, held.c.phase_id == phase_id)
    spent = _summed(conn, lambda one: sa.and_(one.c.run_id == run_id, one.c.phase_id == phase_id))
    return Level(
        Scope.PHASE,
        phase_id,
        _raised(conn, run_id, phase_id, caps),
        replace(spent, minutes=_minutes_of_builds(conn, run_id, phase_id)),
        reserved,
    )


def _raised(conn: sa.Connection, run_id: str, phase_id: str, caps: Limits) -> Limits:
    """Return the caps of a phase with those that a person last gave it in place of its plan's."""
    table = tables.approvals
    query = (
        sa.select(table.c.resource, table.c.new_cap)
        .where(
            table.c.run_id == run_id,
            table.c.phase_id == phase_id,
            table.c.level == Scope.PHASE,
            table.c.approved.is_(True),
            table.c.new_cap.is_not(None),
        )
        .order_by(table.c.id)
    )
    for resource, cap in conn.execute(query):
        if resource == Resource.TOKENS:
            caps = replace(caps, tokens=int(cap))
        elif resource == Resource.MINUTES:
            caps = replace(caps, minutes=float(cap))
    return caps


def _minutes_of_builds(conn: sa.Connection, run_id: str, phase_id: str) -> float:
    """Return how long the builds of a phase took that ended, none longer than it was allowed to.

    When one that was cut off crashed is not known, and one that ended in a process that crashed is
    closed by the next: neither may use up a phase's time while nobody works on it.
    """
    attempts, held = tables.attempts, tables.budget_reservations
    query = (
        sa.select(attempts.c.started_at, attempts.c.built_at, held.c.minutes)
        .join(
            held,
            sa.and_(
                held.c.run_id == attempts.c.run_id,
                held.c.phase_id == attempts.c.phase_id,
                held.c.attempt == attempts.c.attempt,
                held.c.role == "builder",
            ),
        )
        .where(
            attempts.c.run_id == run_id,
            attempts.c.phase_id == phase_id,
            attempts.c.built_at.is_not(None),
            # Trouble outside may not use up a phase's time either.
            attempts.c.counts.is_(True),
        )
    )
    return sum(
        min((built - started) / timedelta(minutes=1), float(most))
        for started, built, most in conn.execute(query)
    )


def _summed(conn: sa.Connection, chosen: Callable[[sa.Table], sa.ColumnElement[bool]]) -> Amounts:
    """Return what was spent, from the sums of the ledger, which also know the archived calls."""
    names = ("total_tokens", "cost_microdollars", "cost_picodollars", "unpriced_events", "events")
    sums = [sa.func.sum(usage_by_run.c[name]).label(name) for name in names]
    row = conn.execute(sa.select(*sums).where(chosen(usage_by_run))).mappings().one()
    lost = sum(one.calls for one in lost_by_phase(conn, chosen).values())
    return Amounts(
        int(row["total_tokens"] or 0),
        dollars(row),
        unpriced=int(row["unpriced_events"] or 0),
        lost=lost,
        calls=int(row["events"] or 0),
    )


def _reserved(conn: sa.Connection, *where: sa.ColumnElement[bool]) -> Amounts:
    """Return what calls under way hold; of their minutes those that have not passed yet."""
    table, at = tables.budget_reservations, now(conn)
    rows = conn.execute(
        sa.select(table.c.tokens, table.c.cost, table.c.minutes, table.c.opened_at).where(
            table.c.settled_at.is_(None), *where
        )
    ).all()
    minute = timedelta(minutes=1)
    return Amounts(
        sum(int(row.tokens) for row in rows),
        sum((row.cost for row in rows if row.cost is not None), Decimal(0)),
        sum(max(float(row.minutes) - max((at - row.opened_at) / minute, 0), 0.0) for row in rows),
    )
