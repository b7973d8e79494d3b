"""Calls that were announced before they were made: each is closed when its usage is recorded."""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa

from autopack.model.ids import AttemptKey
from autopack.store import tables
from autopack.store.database.engine import (
    insert_new,
    now_in_sql,
)
from autopack.store.keys import of_attempt
from autopack.store.tables import Role, Told

_OPEN = sa.update(tables.llm_call_intents).where(
    tables.llm_call_intents.c.intent_key == sa.bindparam("of_intent"),
    tables.llm_call_intents.c.closed_at.is_(None),
)


def next_call(conn: sa.Connection, key: AttemptKey, role: Role) -> int:
    """Return the number of the next call of a role in an attempt: no earlier try of it has that."""
    table = tables.llm_call_intents
    query = sa.select(table.c.intent_key).where(of_attempt(table, key), table.c.role == role)
    taken = set(conn.scalars(query))
    number = len(taken) + 1
    while _intent_key(key, role, number) in taken:
        number += 1
    return number


def open_intent(conn: sa.Connection, key: AttemptKey, role: Role, call: int = 1) -> None:
    """Note that a call is about to be made: the ``call``-th of its role in the attempt."""
    conn.execute(
        insert_new(conn, tables.llm_call_intents).values(
            intent_key=_intent_key(key, role, call),
            **vars(key),
            role=role,
            opened_at=now_in_sql(conn),
        )
    )


def close_intent(
    conn: sa.Connection, key: AttemptKey, role: Role = "builder", call: int = 1
) -> None:
    """Note that the call's usage is recorded; belongs in the transaction that records it."""
    changed = _OPEN.values(closed_at=now_in_sql(conn))
    conn.execute(changed, {"of_intent": _intent_key(key, role, call)})


def keep_open(
    conn: sa.Connection,
    key: AttemptKey,
    told: Told,
    role: Role = "builder",
    call: int = 1,
) -> None:
    """Note that the call has ended and did not tell all it used: it stays unreconciled."""
    table = tables.llm_call_intents
    conn.execute(
        sa.update(table).where(table.c.intent_key == _intent_key(key, role, call)).values(told=told)
    )


def _intent_key(key: AttemptKey, role: Role, call: int) -> str:
    return digest(key.run_id, key.phase_id, key.attempt, role, call)


def digest(*parts: str | int | None) -> str:
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
