"""The leaves of the tree of budgets: what each attempt has reserved and spent."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from autopack.budget import Amounts, Reservation
from autopack.store import tables
from autopack.store.states import AttemptState

_ATTEMPT = ("run_id", "phase_id", "attempt")


@dataclass(frozen=True)
class Node:
    """One attempt in the tree, as `show` prints it; ``spent`` is the ledger's.

    ``reserved`` is what its calls that are under way hold.
    """

    phase_id: str
    attempt: int
    reserved: Reservation | None
    spent: Amounts


def attempt_nodes(conn: sa.Connection, run_id: str) -> list[Node]:
    """The leaves of a run's tree: attempts with a reservation or with calls in the ledger."""
    events, table = tables.llm_usage_events, tables.budget_reservations
    held: dict[tuple[str, int], Reservation | None] = {}
    for row in conn.execute(sa.select(table).where(table.c.run_id == run_id)):
        key = row.phase_id, row.attempt
        held[key] = _with(held.get(key), row) if row.settled_at is None else held.get(key)
    spent: dict[tuple[str, int], Amounts] = defaultdict(Amounts)
    query = sa.select(
        events.c.phase_id, events.c.attempt, events.c.total_tokens, events.c.cost
    ).where(events.c.run_id == run_id)
    for row in conn.execute(query):
        before = spent[row.phase_id, row.attempt]
        spent[row.phase_id, row.attempt] = Amounts(
            before.tokens + row.total_tokens,
            before.cost + (row.cost or 0),
            unpriced=before.unpriced + (row.cost is None),
            calls=before.calls + 1,
        )
    for key, lost in _lost_by_attempt(conn, run_id).items():
        spent[key] = replace(spent[key], lost=lost)
    return [Node(*key, held.get(key), spent[key]) for key in sorted(held.keys() | spent.keys())]


def _with(held: Reservation | None, row: sa.Row[Any]) -> Reservation:
    """Several calls of an attempt may be under way at once."""
    if held is None:
        return Reservation(row.tokens, row.cost, row.minutes)
    costs = [cost for cost in (held.cost, row.cost) if cost is not None]
    cost = sum(costs, Decimal(0)) if costs else None
    return Reservation(held.tokens + row.tokens, cost, held.minutes + row.minutes)


def _lost_by_attempt(conn: sa.Connection, run_id: str) -> dict[tuple[str, int], int]:
    intents = tables.llm_call_intents
    attempts = tables.attempts
    query = (
        sa.select(intents.c.phase_id, intents.c.attempt, sa.func.count())
        .join(attempts, sa.and_(*(intents.c[key] == attempts.c[key] for key in _ATTEMPT)))
        .where(
            intents.c.run_id == run_id,
            intents.c.closed_at.is_(None),
            attempts.c.state != AttemptState.STARTED,
        )
        .group_by(intents.c.phase_id, intents.c.attempt)
    )
    return {(phase_id, attempt): int(count) for phase_id, attempt, count in conn.execute(query)}
