"""Budget set aside for calls before they are made: builds, and calls of other roles."""

from __future__ import annotations

from decimal import Decimal

import sqlalchemy as sa

from autopack.ledger.events.usage_events import dollars
from autopack.model.budget import Amounts, Reservation
from autopack.model.ids import AttemptKey
from autopack.store import tables
from autopack.store.database.engine import now
from autopack.store.keys import attempt_named, named_attempt, named_run, of_attempt, run_named
from autopack.store.leases import Lease, fence
from autopack.store.tables import Role
from autopack.store.tables.rollups import usage_archive

_HISTORY = 20

_HELD, _EVENTS = tables.budget_reservations, tables.llm_usage_events
_CAMPAIGN = (
    sa.select(tables.budget_campaigns.c.campaign_id)
    .where(
        tables.budget_campaigns.c.campaign_id
        == sa.select(tables.runs.c.campaign_id).where(named_run(tables.runs)).scalar_subquery()
    )
    .with_for_update()
)
_RESERVE = sa.insert(_HELD)


def _build_of(table: sa.Table) -> sa.ColumnElement[bool]:
    """Return the rows of an attempt's build, in a table that has calls of every role."""
    return sa.and_(named_attempt(table), table.c.role == "builder")


_ARCHIVED = sa.select(_HELD.c.archived_tokens, _HELD.c.archived_cost).where(_build_of(_HELD))
_BUILD = sa.update(_HELD).where(_build_of(_HELD))
_OPEN_BUILD = _BUILD.where(_HELD.c.settled_at.is_(None))
_CALLS = sa.select(_EVENTS.c.total_tokens, _EVENTS.c.cost).where(_build_of(_EVENTS))
_SUMS = sa.select(usage_archive).where(_build_of(usage_archive))


def lock_campaign(conn: sa.Connection, run_id: str) -> None:
    """Let nobody else reserve from the run's campaign until this transaction ends."""
    conn.execute(_CAMPAIGN, run_named(run_id))


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
    amounts = {"tokens": held.tokens, "cost": held.cost, "minutes": held.minutes}
    whose = {**vars(key), "role": role, "call": call}
    conn.execute(_RESERVE, {**whose, **amounts, "opened_at": now(conn)})


def change(conn: sa.Connection, key: AttemptKey, held: Reservation) -> None:
    """Make the reservation of a build that is still open larger."""
    amounts = {"tokens": held.tokens, "cost": held.cost, "minutes": held.minutes}
    conn.execute(_OPEN_BUILD, {**attempt_named(key), **amounts})


def settle(conn: sa.Connection, key: AttemptKey, *, again: bool = False) -> None:
    """Close the reservation of a build with what ledger and archive have of it.

    Belongs in the transaction that records the build's calls. Settling once more changes nothing,
    but ``again`` counts calls that came to light later.
    """
    named = attempt_named(key)
    if (archived := conn.execute(_ARCHIVED, named).first()) is None:
        return
    tokens, cost = _spent(conn, key)
    spent = {
        "spent_tokens": tokens + (archived.archived_tokens or 0),
        "spent_cost": cost + (archived.archived_cost or 0),
        "settled_at": now(conn),
    }
    conn.execute(_BUILD if again else _OPEN_BUILD, {**named, **spent})


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


def _spent(conn: sa.Connection, key: AttemptKey) -> tuple[int, Decimal]:
    """Tokens of a build, and the money of its calls whose price is known; archived calls too."""
    calls = conn.execute(_CALLS, attempt_named(key)).all()
    # Added up here, for SQLite would add money as floats.
    costs: list[Decimal] = [call.cost for call in calls if call.cost is not None]
    archived = conn.execute(_SUMS, attempt_named(key)).mappings().all()
    return (
        sum(call.total_tokens for call in calls) + sum(row["total_tokens"] for row in archived),
        sum(costs, Decimal(0)) + sum(map(dollars, archived), Decimal(0)),
    )
