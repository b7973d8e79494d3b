"""Budget set aside for calls before they are made: builds, and calls of other roles."""

from __future__ import annotations

from decimal import Decimal

import sqlalchemy as sa

from autopack.ledger.events.usage_events import dollars
from autopack.model.budget import Amounts, Reservation
from autopack.model.ids import AttemptKey
from autopack.store import tables
from autopack.store.database.engine import now
from autopack.store.keys import of_attempt
from autopack.store.leases import Lease, fence
from autopack.store.tables import Role
from autopack.store.tables.rollups import usage_archive

_HISTORY = 20


def lock_campaign(conn: sa.Connection, run_id: str) -> None:
    """Let nobody else reserve from the run's campaign until this transaction ends."""
    runs, campaigns = tables.runs, tables.budget_campaigns
    conn.execute(
        sa.select(campaigns.c.campaign_id)
        .where(
            campaigns.c.campaign_id
            == sa.select(runs.c.campaign_id).where(runs.c.run_id == run_id).scalar_subquery()
        )
        .with_for_update()
    )


def lock(conn: sa.Connection, lease: Lease) -> None:
    """Let nobody else reserve from the run or its campaign until this transaction ends.

    Raises LeaseLost. In this order everywhere: two that lock in different orders block each other.
    """
    lock_campaign(conn, lease.run_id)
    fence(conn, lease)


def reserve(
    conn: sa.Connection,
    key: AttemptKey,
    held: Reservation,
    *,
    role: Role = "builder",
    call: int = 1,
) -> None:
    """Set aside what a build may spend, or the ``call``-th call of another role in the attempt.

    Belongs in the transaction that starts the attempt, or opens the intent of the call.
    """
    conn.execute(
        sa.insert(tables.budget_reservations).values(
            **vars(key),
            role=role,
            call=call,
            tokens=held.tokens,
            cost=held.cost,
            minutes=held.minutes,
            opened_at=now(conn),
        )
    )


def change(conn: sa.Connection, key: AttemptKey, held: Reservation) -> None:
    """Make the reservation of a build that is still open larger."""
    table = tables.budget_reservations
    conn.execute(
        sa.update(table)
        .where(_build(table, key), table.c.settled_at.is_(None))
        .values(tokens=held.tokens, cost=held.cost, minutes=held.minutes)
    )


def settle(conn: sa.Connection, key: AttemptKey, *, again: bool = False) -> None:
    """Close the reservation of a build with what ledger and archive have of it.

    Belongs in the transaction that records the build's calls. Settling once more changes nothing,
    but ``again`` counts calls that came to light later.
    """
    table = tables.budget_reservations
    build = _build(table, key)
    before = conn.execute(sa.select(table.c.archived_tokens, table.c.archived_cost).where(build))
    if (archived := before.first()) is None:
        return
    tokens, cost = _spent(conn, key)
    still_open = sa.true() if again else table.c.settled_at.is_(None)
    conn.execute(
        sa.update(table)
        .where(build, still_open)
        .values(
            spent_tokens=tokens + (archived.archived_tokens or 0),
            spent_cost=cost + (archived.archived_cost or 0),
            settled_at=now(conn),
        )
    )


def settle_call(
    conn: sa.Connection,
    key: AttemptKey,
    role: Role,
    call: int,
    spent: Amounts | None,
) -> None:
    """Close the reservation of a call that is no build with what it ``spent``, None if unknown.

    Belongs in the transaction that records the call. A call that somebody else had given up is
    closed with what it spent all the same.
    """
    table = tables.budget_reservations
    conn.execute(
        sa.update(table)
        .where(of_attempt(table, key), table.c.role == role, table.c.call == call)
        .values(
            spent_tokens=None if spent is None else spent.tokens,
            spent_cost=None if spent is None else spent.cost,
            settled_at=now(conn),
        )
    )


def settle_lost_calls(conn: sa.Connection, lease: Lease) -> None:
    """Close what the calls of a holder that crashed reserved: what they spent nobody knows.

    Builds are closed with their attempts. Raises LeaseLost.
    """
    fence(conn, lease)
    table = tables.budget_reservations
    conn.execute(
        sa.update(table)
        .where(
            table.c.run_id == lease.run_id,
            table.c.role != "builder",
            table.c.settled_at.is_(None),
        )
        .values(settled_at=now(conn))
    )


def history(conn: sa.Connection, builder: str, model: str | None) -> list[Amounts]:
    """Return what the last builds of a builder with a model spent, in any run, newest first."""
    table, attempts = tables.budget_reservations, tables.attempts
    query = (
        sa.select(table.c.spent_tokens, table.c.spent_cost)
        .join(
            attempts,
            sa.and_(
                attempts.c.run_id == table.c.run_id,
                attempts.c.phase_id == table.c.phase_id,
                attempts.c.attempt == table.c.attempt,
            ),
        )
        .where(
            attempts.c.builder == builder,
            attempts.c.model.is_(None) if model is None else attempts.c.model == model,
            attempts.c.built_at.is_not(None),
            attempts.c.counts.is_(True),
            table.c.role == "builder",
            table.c.spent_tokens > 0,
        )
        .order_by(table.c.settled_at.desc())
        .limit(_HISTORY)
    )
    return [
        Amounts(int(tokens), cost if cost is not None else Decimal(0))
        for tokens, cost in conn.execute(query)
    ]


def _build(table: sa.Table, key: AttemptKey) -> sa.ColumnElement[bool]:
    """Return the rows of an attempt's build, in a table that has calls of every role."""
    return sa.and_(of_attempt(table, key), table.c.role == "builder")


def _spent(conn: sa.Connection, key: AttemptKey) -> tuple[int, Decimal]:
    """Tokens of a build, and the money of its calls whose price is known; archived calls too."""
    events, archive = tables.llm_usage_events, usage_archive
    query = sa.select(events.c.total_tokens, events.c.cost).where(_build(events, key))
    calls = conn.execute(query).all()
    # Added up here, for SQLite would add money as floats.
    costs: list[Decimal] = [call.cost for call in calls if call.cost is not None]
    sums = conn.execute(sa.select(archive).where(_build(archive, key)))
    archived = sums.mappings().all()
    return (
        sum(call.total_tokens for call in calls) + sum(row["total_tokens"] for row in archived),
        sum(costs, Decimal(0)) + sum(map(dollars, archived), Decimal(0)),
    )
