"""The tables beside the ledger: its sums, its archive, and what each attempt tells of features."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from autopack.store.columns import ExactDecimal, FreeText, Json, UtcDateTime, metadata
from autopack.store.usage_event import FURTHER, LEDGER_COLUMNS, SUMMED

SUMS = (
    "events",
    *SUMMED,
    "unsplit_tokens",
    # Whole numbers, for SQLite would add money as floats: millionths of a dollar, and beside them
    # what is below one of those. Picodollars alone would end at nine million dollars.
    "cost_microdollars",
    "cost_picodollars",
    "unpriced_events",
)
# A sum that comes later is zero in the rows that are there.
_LATER = frozenset(FURTHER)


def _sums() -> list[sa.Column[int]]:
    return [
        sa.Column(
            name, sa.BigInteger, nullable=False, server_default="0" if name in _LATER else None
        )
        for name in SUMS
    ]


def _keys(*names: str) -> list[sa.Column[Any]]:
    """Return the columns that a table of sums is keyed by: those of the ledger, and the day."""
    types = {each.name: each.type for each in LEDGER_COLUMNS} | {"day": sa.Date()}
    return [sa.Column(name, types[name], primary_key=True, autoincrement=False) for name in names]


# The sums are kept by triggers that fire on every row that really enters the ledger.
usage_by_run = sa.Table(
    "usage_by_run",
    metadata,
    *_keys("run_id", "phase_id", "day", "role", "category", "simulated"),
    *_sums(),
    sa.Index(None, "day", "run_id"),
    sqlite_with_rowid=False,
)

usage_by_day = sa.Table(
    "usage_by_day",
    metadata,
    *_keys("day", "model", "role", "category", "simulated"),
    *_sums(),
    sqlite_with_rowid=False,
)

ATTEMPT_NOT_KEPT = -1
"""The attempt of what was archived before the archive told attempts apart."""

# What retention took out of the ledger: sums fine enough to prove both tables above and to say
# what each attempt spent, and keys.
usage_archive = sa.Table(
    "usage_archive",
    metadata,
    *_keys("run_id", "phase_id", "attempt", "day", "model", "role", "category", "simulated"),
    *_sums(),
    sqlite_with_rowid=False,
)

# A trigger skips events of these keys: they were counted before they were archived.
usage_archive_keys = sa.Table(
    "usage_archive_keys",
    metadata,
    sa.Column("event_key", sa.String(64), primary_key=True),
    sqlite_with_rowid=False,
)

# The ledger lets a row be deleted only by a transaction that has put a row here.
retention_open = sa.Table(
    "retention_open",
    metadata,
    sa.Column("door", sa.Integer, primary_key=True, autoincrement=False),
)

# The oldest code, by the schema version it needs, that may work on this schema.
schema_compatibility = sa.Table(
    "schema_compatibility",
    metadata,
    sa.Column("oldest_code", sa.String(32), primary_key=True),
)


# No foreign keys: metrics are imported without the runs they tell of.
phase6_metrics = sa.Table(
    "phase6_metrics",
    metadata,
    *_keys("run_id", "phase_id", "attempt"),
    sa.Column("failure_hardening_triggered", sa.Boolean),
    sa.Column("failure_pattern_detected", sa.Text),
    sa.Column("failure_hardening_mitigated", sa.Boolean),
    sa.Column("doctor_call_skipped", sa.Boolean),
    sa.Column("doctor_tokens_avoided_estimate", sa.BigInteger),
    sa.Column("estimate_coverage_n", sa.Integer),
    sa.Column("estimate_source", sa.String(16)),
    sa.Column("actual_tokens_saved", sa.BigInteger),
    sa.Column("intention_context_injected", sa.Boolean),
    sa.Column("intention_context_chars", sa.Integer),
    sa.Column("intention_context_source", sa.Text),
    sa.Column("plan_normalization_used", sa.Boolean),
    sa.Column("plan_normalization_confidence", sa.Double),
    sa.Column("plan_normalization_warnings", Json),
    sa.Column("plan_deliverables_count", sa.Integer),
    sa.Column("plan_scope_size_bytes", sa.Integer),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.CheckConstraint(
        "estimate_source IN ('run_local', 'global', 'fallback')", name="estimate_source"
    ),
    sa.Index(None, "created_at"),
)

# What became of the context that was selected for an attempt. With context_pack a row is there
# from its build on, and the outcome when it ended. Without, coding agents choose what they read
# themselves: the columns on artifacts, budget and files are null. Imports may fill them.
token_efficiency_metrics = sa.Table(
    "token_efficiency_metrics",
    metadata,
    *_keys("run_id", "phase_id", "attempt"),
    sa.Column("artifact_substitutions", sa.Integer),
    sa.Column("tokens_saved_artifacts", sa.BigInteger),
    sa.Column("budget_mode", sa.String(16)),
    sa.Column("budget_used", sa.BigInteger),
    sa.Column("budget_cap", sa.BigInteger),
    sa.Column("files_kept", sa.Integer),
    sa.Column("files_omitted", sa.Integer),
    sa.Column("deliverables_count", sa.Integer),
    sa.Column("context_files_total", sa.Integer),
    sa.Column("phase_outcome", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("budget_mode IN ('semantic', 'lexical')", name="budget_mode"),
    sa.Index(None, "created_at"),
)

error_logs = sa.Table(
    "error_logs",
    metadata,
    *_keys("run_id", "phase_id", "attempt"),
    sa.Column("error_type", sa.Text, nullable=False),
    sa.Column("message", FreeText),
    sa.Column("output", FreeText),
    sa.Column("pattern_id", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index(None, "created_at", "run_id", "phase_id", "attempt"),
)

# Runs whose figures came from a file: the runs themselves may be unknown here.
usage_imports = sa.Table(
    "usage_imports",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("imported_at", UtcDateTime, nullable=False),
)

# One row a run: what was spent, by purpose and by role, and the three claimed figures.
consolidated_token_views = sa.Table(
    "consolidated_token_views",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    *(
        sa.Column(f"spent_{name}", sa.BigInteger)
        for name in ("total", "input", "cache_read", "cache_write", "output", "unsplit")
    ),
    sa.Column("by_category", Json, nullable=False),
    sa.Column("by_role", Json, nullable=False),
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("cost", ExactDecimal),
    sa.Column("artifact_tokens_avoided_modelled", sa.BigInteger),
    sa.Column("doctor_tokens_avoided_counterfactual", sa.BigInteger),
    sa.Column("ab_tokens_saved_measured", sa.BigInteger),
    sa.Column("estimate_coverage", Json),
    sa.Column("computed_at", UtcDateTime, nullable=False),
    sa.Column("unknown_builds", sa.Integer),
    sa.Column("unpriced_calls", sa.BigInteger),
    sa.Column("cost_known", ExactDecimal),
)
