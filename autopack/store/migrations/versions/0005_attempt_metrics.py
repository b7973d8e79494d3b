"""What each attempt tells of features and errors, and the stored view of each run's tokens."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
oldest_code = "0001"  # only adds tables

TIME = sa.DateTime(timezone=True)
MONEY: sa.types.TypeEngine[Any] = sa.Numeric().with_variant(sa.Text(), "sqlite")
REAL: sa.types.TypeEngine[float] = sa.Double()


def upgrade() -> None:
    op.create_table(
        "phase6_metrics",
        *_attempt_key(),
        sa.Column("failure_hardening_triggered", sa.Boolean()),
        sa.Column("failure_pattern_detected", sa.Text()),
        sa.Column("failure_hardening_mitigated", sa.Boolean()),
        sa.Column("doctor_call_skipped", sa.Boolean()),
        sa.Column("doctor_tokens_avoided_estimate", sa.BigInteger()),
        sa.Column("estimate_coverage_n", sa.Integer()),
        sa.Column("estimate_source", sa.String(16)),
        sa.Column("actual_tokens_saved", sa.BigInteger()),
        sa.Column("intention_context_injected", sa.Boolean()),
        sa.Column("intention_context_chars", sa.Integer()),
        sa.Column("intention_context_source", sa.Text()),
        sa.Column("plan_normalization_used", sa.Boolean()),
        sa.Column("plan_normalization_confidence", REAL),
        sa.Column("plan_normalization_warnings", sa.JSON()),
        sa.Column("plan_deliverables_count", sa.Integer()),
        sa.Column("plan_scope_size_bytes", sa.Integer()),
        sa.Column("created_at", TIME, nullable=False),
        _primary_key("phase6_metrics"),
        sa.CheckConstraint(
            "estimate_source IN ('run_local', 'global', 'fallback')",
            name=op.f("ck_phase6_metrics_estimate_source"),
        ),
    )
    op.create_index(op.f("ix_phase6_metrics_created_at"), "phase6_metrics", ["created_at"])
    op.create_table(
        "token_efficiency_metrics",
        *_attempt_key(),
        sa.Column("artifact_substitutions", sa.Integer()),
        sa.Column("tokens_saved_artifacts", sa.BigInteger()),
        sa.Column("budget_mode", sa.String(16)),
        sa.Column("budget_used", sa.BigInteger()),
        sa.Column("budget_cap", sa.BigInteger()),
        sa.Column("files_kept", sa.Integer()),
        sa.Column("files_omitted", sa.Integer()),
        sa.Column("deliverables_count", sa.Integer()),
        sa.Column("context_files_total", sa.Integer()),
        sa.Column("phase_outcome", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        _primary_key("token_efficiency_metrics"),
        sa.CheckConstraint(
            "budget_mode IN ('semantic', 'lexical')",
            name=op.f("ck_token_efficiency_metrics_budget_mode"),
        ),
    )
    op.create_index(
        op.f("ix_token_efficiency_metrics_created_at"), "token_efficiency_metrics", ["created_at"]
    )
    op.create_table(
        "error_logs",
        *_attempt_key(),
        sa.Column("error_type", sa.Text(), nullable=False),
        sa.Column("message", sa.Text()),
        sa.Column("output", sa.Text()),
        sa.Column("pattern_id", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        _primary_key("error_logs"),
    )
    op.create_index(
        op.f("ix_error_logs_created_at_run_id_phase_id_attempt"),
        "error_logs",
        ["created_at", "run_id", "phase_id", "attempt"],
    )
    op.execute(
        "INSERT INTO error_logs"
        " (run_id, phase_id, attempt, error_type, message, output, created_at)"
        " SELECT run_id, phase_id, attempt, failure_cause, failure_message, failure_output,"
        " COALESCE(finished_at, started_at) FROM attempts"
        " WHERE state = 'FAILED' AND failure_cause IS NOT NULL"
    )
    op.create_table(
        "usage_imports",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("imported_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_usage_imports")),
    )
    op.create_table(
        "consolidated_token_views",
        sa.Column("run_id", sa.String(64), nullable=False),
        *(
            sa.Column(f"spent_{name}", sa.BigInteger(), nullable=False)
            for name in ("total", "input", "cache_read", "cache_write", "output", "unsplit")
        ),
        sa.Column("by_category", sa.JSON(), nullable=False),
        sa.Column("by_role", sa.JSON(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("cost", MONEY),
        sa.Column("artifact_tokens_avoided_modelled", sa.BigInteger()),
        sa.Column("doctor_tokens_avoided_counterfactual", sa.BigInteger()),
        sa.Column("ab_tokens_saved_measured", sa.BigInteger()),
        sa.Column("estimate_coverage", sa.JSON()),
        sa.Column("computed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_consolidated_token_views")),
    )


def _attempt_key() -> list[sa.Column[Any]]:
    return [
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
    ]


def _primary_key(table: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("run_id", "phase_id", "attempt", name=op.f(f"pk_{table}"))
