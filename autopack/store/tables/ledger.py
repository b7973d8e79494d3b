"""The usage ledger: a row a model call, and a row a call that was announced.

Indexes on a condition are in `partial_indexes`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from autopack.store.columns import ROLES, UtcDateTime, metadata, one_of
from autopack.store.usage_event import LEDGER_COLUMNS, LedgerColumn


def _column(declared: LedgerColumn) -> sa.Column[Any]:
    return sa.Column(
        declared.name,
        declared.type,
        primary_key=declared.name == "event_key",
        nullable=declared.nullable,
        server_default=declared.default,
    )


# No foreign key to runs: money spent is recorded even where the run is gone.
llm_usage_events = sa.Table(
    "llm_usage_events",
    metadata,
    *(_column(each) for each in LEDGER_COLUMNS),
    *(one_of(each.name, tuple(each.words)) for each in LEDGER_COLUMNS if each.words),
    sa.CheckConstraint(
        "total_tokens >= 0 AND input_tokens >= 0 AND cache_read_tokens >= 0"
        " AND cache_write_tokens >= 0 AND output_tokens >= 0 AND reasoning_tokens >= 0",
        name="not_negative",
    ),
    sa.CheckConstraint(
        "(input_tokens IS NULL AND cache_read_tokens IS NULL"
        " AND cache_write_tokens IS NULL AND output_tokens IS NULL)"
        " OR (input_tokens IS NOT NULL AND cache_read_tokens IS NOT NULL"
        " AND cache_write_tokens IS NOT NULL AND output_tokens IS NOT NULL"
        " AND total_tokens"
        " = input_tokens + cache_read_tokens + cache_write_tokens + output_tokens)",
        name="split",
    ),
    sa.CheckConstraint(
        "reasoning_tokens <= COALESCE(output_tokens, total_tokens)", name="reasoning"
    ),
    sa.Index(None, "run_id", "phase_id", "attempt"),
)

llm_call_intents = sa.Table(
    "llm_call_intents",
    metadata,
    sa.Column("intent_key", sa.String(64), primary_key=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("phase_id", sa.String(64), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("closed_at", UtcDateTime),
    # How much of it was told (partial, unknown) where it stays open although it has ended.
    sa.Column("told", sa.String(16)),
    one_of("role", ROLES),
    sa.Index(None, "run_id", "phase_id", "attempt"),
)
