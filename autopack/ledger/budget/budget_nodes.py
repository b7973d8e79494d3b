"""The leaves of the tree of budgets: what each attempt has reserved and spent."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from autopack.ledger.events.usage_events import dollars
from autopack.model.budget import Amounts, Reservation
from autopack.model.states import AttemptState
from autopack.store import tables
from autopack.store.tables.rollups import ATTEMPT_NOT_KEPT, usage_archive

_ATTEMPT = ("run_id", "phase_id", "attempt")
_Attempt = tuple[str, int]


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
    """Return the leaves of a run's tree: attempts with a reservation or with calls, archived or
    not.
    """
    table = tables.budget_reservations
    rows = conn.execute(sa.select(table).where(table.c.run_id == run_id)).all()
    held: dict[_Attempt, Reservation | None] = {}
    for row in rows:
        key = row.phase_id, row.attempt
        held[key] = _with(held.get(key), row) if row.settled_at is None else held.get(key)
    spent = _in_ledger(conn, run_id)
    unknown = _add_archived(conn, run_id, spent)
    for row in rows:
        if row.role == "builder" and row.phase_id in unknown:
            key = row.phase_id, row.attempt
            spent[key] = _plus(spent[key], _settled(row, is_all=not unknown[row.phase_id]))
    for key, lost in _lost_by_attempt(conn, run_id).items():
        spent[key] = replace(spent[key], lost=spent[key].lost + lost)
    return [Node(*key, held.get(key), spent[key]) for key in sorted(held.keys() | spent.keys())]


def _in_ledger(conn: sa.Connection, run_id: str) -> defaultdict[_Attempt, Amounts]:
    events = tables.llm_usage_events
    spent: defaultdict[_Attempt, Amounts] = defaultdict(Amounts)
    query = sa.select(
        events.c.phase_id, events.c.attempt, events.c.total_tokens, events.c.cost
    ).where(events.c.run_id == run_id)
    for row in conn.execute(query):
        call = Amounts(row.total_tokens, row.cost or Decimal(0), unpriced=row.cost is None, calls=1)
        key = row.phase_id, row.attempt
        spent[key] = _plus(spent[key], call)
    return spent


def _add_archived(
    conn: sa.Connection, run_id: str, spent: defaultdict[_Attempt, Amounts]
) -> dict[str, bool]:
    """Add what the archive has. Returns the phases with calls whose attempt it does not know, and
    whether what each of those cost cannot be told.
    """
    unknown: dict[str, bool] = {}
    query = sa.select(usage_archive).where(usage_archive.c.run_id == run_id)
    for row in conn.execute(query).mappings():
        phase_id, unpriced = row["phase_id"], row["unpriced_events"]
        if row["attempt"] == ATTEMPT_NOT_KEPT:
            is_open = unpriced > 0 or row["role"] != "builder"
            unknown[phase_id] = unknown.get(phase_id, False) or is_open
            continue
        calls = Amounts(row["total_tokens"], dollars(row), unpriced=unpriced, calls=row["events"])
        key = phase_id, row["attempt"]
        spent[key] = _plus(spent[key], calls)
    return unknown


def _settled(row: sa.Row[Any], *, is_all: bool) -> Amounts:
    """Return what a build spent whose calls were archived without their attempt, as it was
    settled.
    """
    if row.archived_tokens is None:
        return Amounts(lost=1)
    return Amounts(row.archived_tokens, row.archived_cost, lost=int(not is_all), calls=1)


def _plus(one: Amounts, other: Amounts) -> Amounts:
    return Amounts(
        one.tokens + other.tokens,
        one.cost + other.cost,
        unpriced=one.unpriced + other.unpriced,
        lost=one.lost + other.lost,
        calls=one.calls + other.calls,
    )


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
