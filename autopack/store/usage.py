"""The usage ledger: one row a model call, counted once however often it is recorded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from autopack.store import tables
from autopack.store.engine import Database, insert_new, now, reading
from autopack.store.tables import CATEGORIES, ROLES, Category, DoctorModel, Role, Source


@dataclass(frozen=True, kw_only=True)
class UsageEvent:
    """What one model call used.

    ``total_tokens`` is always known. The four parts are known together or not at all, and then
    sum to it: ``input_tokens`` excludes cached ones, ``reasoning_tokens`` are part of the output.
    ``cost`` is in US dollars, None when the model has no known price.
    """

    event_key: str
    run_id: str
    phase_id: str
    attempt: int
    provider: str
    model: str
    role: Role
    category: Category
    total_tokens: int
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    source: Source = "provider"
    cost: Decimal | None = None
    price_version: str | None = None
    is_doctor_call: bool = False
    doctor_model: DoctorModel | None = None
    doctor_action: str | None = None
    response_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class TokenTotals:
    """What a run spent.

    ``total`` counts every event; ``input + cache_read + cache_write + output + unsplit`` is the
    same number, ``unsplit`` being the calls of which only a total is known. ``by_category`` and
    ``by_role`` each sum to it too, and name every category and role.
    ``unreconciled_calls`` counts calls that were begun and not recorded: in flight, or lost in a
    crash. ``cost`` is None when any event's cost is unknown, zero when there are no events.
    """

    total: int
    input: int
    cache_read: int
    cache_write: int
    output: int
    unsplit: int
    by_category: dict[Category, int]
    by_role: dict[Role, int]
    events: int
    unreconciled_calls: int
    cost: Decimal | None


def event_key(
    run_id: str,
    phase_id: str,
    attempt: int,
    provider: str,
    response_id: str | None,
    ordinal: int,
) -> str:
    """The identity of a model call, so that recording it again adds nothing.

    ``ordinal`` tells apart responses of one attempt that share an id, as recordings and test
    servers do; without an id it is the call's number among all calls of the attempt, whatever
    their role.
    """
    return _digest(run_id, phase_id, attempt, provider, response_id, ordinal)


def record_events(conn: sa.Connection, events: Iterable[UsageEvent]) -> int:
    """Record calls that are not recorded yet and return how many were new.

    Not fenced: money spent counts whoever holds the run.
    """
    at = now(conn)
    # One order for all writers, for two that lock rows in different orders block each other.
    ordered = sorted(events, key=lambda event: event.event_key)
    if not ordered:
        return 0
    inserted = conn.execute(
        insert_new(conn, tables.llm_usage_events).returning(tables.llm_usage_events.c.event_key),
        [{**asdict(event), "created_at": at} for event in ordered],
    )
    return len(inserted.all())


def open_intent(
    conn: sa.Connection, run_id: str, phase_id: str, attempt: int, role: Role, call: int = 1
) -> None:
    """Note that a call is about to be made: the ``call``-th of its role in the attempt."""
    conn.execute(
        insert_new(conn, tables.llm_call_intents).values(
            intent_key=_digest(run_id, phase_id, attempt, role, call),
            run_id=run_id,
            phase_id=phase_id,
            attempt=attempt,
            role=role,
            opened_at=now(conn),
        )
    )


def close_intent(
    conn: sa.Connection,
    run_id: str,
    phase_id: str,
    attempt: int,
    role: Role = "builder",
    call: int = 1,
) -> None:
    """Note that the call's usage is recorded; belongs in the transaction that records it."""
    table = tables.llm_call_intents
    conn.execute(
        sa.update(table)
        .where(
            table.c.intent_key == _digest(run_id, phase_id, attempt, role, call),
            table.c.closed_at.is_(None),
        )
        .values(closed_at=now(conn))
    )


def token_totals(source: Database | sa.Connection, run_id: str) -> TokenTotals:
    """What the run spent; all zero for a run without calls."""
    events, intents = tables.llm_usage_events, tables.llm_call_intents
    is_unsplit = events.c.input_tokens.is_(None)
    grouped = (
        sa.select(
            events.c.category,
            events.c.role,
            sa.func.count().label("events"),
            _total(events.c.total_tokens).label("total"),
            _total(events.c.input_tokens).label("input"),
            _total(events.c.cache_read_tokens).label("cache_read"),
            _total(events.c.cache_write_tokens).label("cache_write"),
            _total(events.c.output_tokens).label("output"),
            _total(sa.case((is_unsplit, events.c.total_tokens), else_=0)).label("unsplit"),
        )
        .where(events.c.run_id == run_id)
        .group_by(events.c.category, events.c.role)
    )
    with reading(source) as conn:
        groups = conn.execute(grouped).mappings().all()
        # Added up here, for SQLite would add them as floats.
        costs = conn.scalars(sa.select(events.c.cost).where(events.c.run_id == run_id)).all()
        unreconciled = conn.scalar(
            sa.select(sa.func.count())
            .select_from(intents)
            .where(intents.c.run_id == run_id, intents.c.closed_at.is_(None))
        )
    parts = ("events", "total", "input", "cache_read", "cache_write", "output", "unsplit")
    sums: dict[str, Any] = {part: sum(int(group[part]) for group in groups) for part in parts}
    by_category: dict[Category, int] = dict.fromkeys(CATEGORIES, 0)
    by_role: dict[Role, int] = dict.fromkeys(ROLES, 0)
    for group in groups:
        by_category[group["category"]] += int(group["total"])
        by_role[group["role"]] += int(group["total"])
    return TokenTotals(
        **sums,
        by_category=by_category,
        by_role=by_role,
        unreconciled_calls=unreconciled or 0,
        cost=None if None in costs else sum(costs, Decimal(0)),
    )


def phase_tokens(source: Database | sa.Connection, run_id: str) -> dict[str, int]:
    """Total tokens of each phase of the run that made a call."""
    events = tables.llm_usage_events
    query = (
        sa.select(events.c.phase_id, _total(events.c.total_tokens))
        .where(events.c.run_id == run_id)
        .group_by(events.c.phase_id)
    )
    with reading(source) as conn:
        return {phase_id: int(total) for phase_id, total in conn.execute(query)}


def _total(tokens: sa.ColumnElement[int] | sa.ColumnElement[int | None]) -> sa.ColumnElement[Any]:
    return sa.func.coalesce(sa.func.sum(tokens), 0)


def _digest(*parts: str | int | None) -> str:
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
