"""Indexes of rows that meet a condition, declared when a schema is made or compared.

No statement needs to know of them, and SQLAlchemy loads either engine to check their options.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from autopack.store.tables import metadata
from autopack.store.tables.ledger import llm_call_intents, llm_usage_events

__all__ = ("metadata",)

_IS_DOCTOR_CALL: dict[str, Any] = {
    "sqlite_where": sa.text("is_doctor_call IS 1"),
    "postgresql_where": sa.text("is_doctor_call IS true"),
}

_calls, _intents = llm_usage_events.c, llm_call_intents.c

# Doctor calls are few: these serve the estimate of what a call that was not made had cost.
sa.Index(
    "ix_llm_usage_events_doctor_recent",
    _calls.created_at,
    _calls.event_key,
    **_IS_DOCTOR_CALL,
)
sa.Index(
    "ix_llm_usage_events_doctor_tier",
    _calls.doctor_model,
    _calls.created_at,
    _calls.event_key,
    **_IS_DOCTOR_CALL,
)
sa.Index(
    "ix_llm_usage_events_doctor_run",
    _calls.run_id,
    _calls.created_at,
    _calls.event_key,
    **_IS_DOCTOR_CALL,
)
sa.Index(
    "ix_llm_call_intents_not_told",
    _intents.role,
    _intents.opened_at,
    sqlite_where=sa.text("told IS NOT NULL"),
    postgresql_where=sa.text("told IS NOT NULL"),
)
