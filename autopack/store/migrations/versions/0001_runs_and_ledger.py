"""Plans, runs, phases, attempts, decisions, leases, and the append-only usage ledger."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
REAL: sa.types.TypeEngine[float] = sa.Double()
MONEY: sa.types.TypeEngine[Any] = sa.Numeric().with_variant(sa.Text(), "sqlite")

APPEND_ONLY_SQLITE = """
CREATE TRIGGER llm_usage_events_no_{verb} BEFORE {verb} ON llm_usage_events
BEGIN SELECT RAISE(ABORT, 'llm_usage_events is append-only'); END
"""
APPEND_ONLY_FUNCTION = """
CREATE FUNCTION autopack_refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
"""
APPEND_ONLY_POSTGRESQL = """
CREATE TRIGGER llm_usage_events_no_{verb} BEFORE {verb} ON llm_usage_events
FOR EACH {unit} EXECUTE FUNCTION autopack_refuse_change()
"""


def upgrade() -> None:
    op.create_table(
        "plans",
        sa.Column("plan_hash", sa.String(64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("plan_hash", name=op.f("pk_plans")),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("plan_hash", sa.String(64), nullable=False),
        sa.Column("goal", sa.Text(), nullable=False),
        sa.Column("repo", sa.Text(), nullable=False),
        sa.Column("base_commit", sa.String(64), nullable=False),
        sa.Column("head_commit", sa.String(64)),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("builder", sa.Text(), nullable=False),
        sa.Column("builder_options", sa.JSON(), nullable=False),
        sa.Column("model", sa.Text()),
        sa.Column("models", sa.JSON(), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.Column("toolchains", sa.JSON()),
        sa.Column("token_cap", sa.BigInteger(), nullable=False),
        sa.Column("cost_cap", MONEY),
        sa.Column("minutes_cap", REAL, nullable=False),
        sa.Column("at_cap", sa.String(8), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("failure_reason", sa.Text()),
        sa.Column("cancel_requested_at", TIME),
        sa.Column("flow_run_id", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("elapsed_seconds", REAL, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
        sa.ForeignKeyConstraint(
            ["plan_hash"], ["plans.plan_hash"], name=op.f("fk_runs_plan_hash_plans")
        ),
        sa.CheckConstraint("at_cap IN ('fail', 'ask')", name=op.f("ck_runs_at_cap")),
        sa.CheckConstraint(
            "state IN ('RUN_CREATED', 'PHASE_EXECUTION', 'AWAITING_APPROVAL', 'DONE_SUCCESS',"
            " 'DONE_FAILED_BUDGET_EXHAUSTED', 'DONE_FAILED_POLICY_VIOLATION',"
            " 'DONE_FAILED_REQUIRES_HUMAN_REVIEW', 'DONE_FAILED_ENVIRONMENT', 'DONE_CANCELLED')",
            name=op.f("ck_runs_state"),
        ),
    )
    op.create_index(op.f("ix_runs_created_at_run_id"), "runs", ["created_at", "run_id"])
    op.create_index(
        op.f("ix_runs_state_created_at_run_id"), "runs", ["state", "created_at", "run_id"]
    )
    op.create_index(op.f("ix_runs_flow_run_id"), "runs", ["flow_run_id"])
    op.create_table(
        "phases",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("commit", sa.String(64)),
        sa.Column("failure_cause", sa.Text()),
        sa.Column("failure_message", sa.Text()),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.PrimaryKeyConstraint("run_id", "phase_id", name=op.f("pk_phases")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_phases_run_id_runs")),
        sa.CheckConstraint(
            "state IN ('QUEUED', 'EXECUTING', 'COMPLETE', 'FAILED', 'SKIPPED')",
            name=op.f("ck_phases_state"),
        ),
    )
    op.create_table(
        "attempts",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("base_commit", sa.String(64), nullable=False),
        sa.Column("commit", sa.String(64)),
        sa.Column("builder", sa.Text(), nullable=False),
        sa.Column("recorded_build", sa.Integer(), nullable=False),
        sa.Column("hint", sa.Text()),
        sa.Column("build_status", sa.Text()),
        sa.Column("exit_status", sa.Integer()),
        sa.Column("summary", sa.Text()),
        sa.Column("changed_paths", sa.JSON()),
        sa.Column("failure_cause", sa.Text()),
        sa.Column("failure_message", sa.Text()),
        sa.Column("failure_output", sa.Text()),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("built_at", TIME),
        sa.Column("finished_at", TIME),
        sa.PrimaryKeyConstraint("run_id", "phase_id", "attempt", name=op.f("pk_attempts")),
        _phase_key("attempts"),
        sa.CheckConstraint(
            "state IN ('STARTED', 'BUILT', 'PASSED', 'FAILED', 'INTERRUPTED')",
            name=op.f("ck_attempts_state"),
        ),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("run_state", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        _phase_key("decisions"),
    )
    op.create_index(op.f("ix_decisions_run_id_phase_id"), "decisions", ["run_id", "phase_id"])
    op.create_table(
        "leases",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.JSON()),
        sa.Column("expires_at", TIME),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_leases")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_leases_run_id_runs")),
    )
    _create_ledger()


def _phase_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["run_id", "phase_id"],
        ["phases.run_id", "phases.phase_id"],
        name=op.f(f"fk_{table}_run_id_phase_id_phases"),
    )


def _create_ledger() -> None:
    op.create_table(
        "llm_usage_events",
        sa.Column("event_key", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("category", sa.String(24), nullable=False),
        sa.Column("total_tokens", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger()),
        sa.Column("cache_read_tokens", sa.BigInteger()),
        sa.Column("cache_write_tokens", sa.BigInteger()),
        sa.Column("output_tokens", sa.BigInteger()),
        sa.Column("reasoning_tokens", sa.BigInteger()),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("cost", MONEY),
        sa.Column("price_version", sa.Text()),
        sa.Column("is_doctor_call", sa.Boolean(), nullable=False),
        sa.Column("doctor_model", sa.String(16)),
        sa.Column("doctor_action", sa.Text()),
        sa.Column("response_id", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("event_key", name=op.f("pk_llm_usage_events")),
        sa.CheckConstraint(
            "role IN ('builder', 'doctor', 'reviewer', 'research')",
            name=op.f("ck_llm_usage_events_role"),
        ),
        sa.CheckConstraint(
            "category IN ('base', 'retrieval', 'second_opinion', 'evidence_request')",
            name=op.f("ck_llm_usage_events_category"),
        ),
        sa.CheckConstraint(
            "source IN ('provider', 'estimated', 'partial')",
            name=op.f("ck_llm_usage_events_source"),
        ),
        sa.CheckConstraint(
            "doctor_model IN ('cheap', 'strong')", name=op.f("ck_llm_usage_events_doctor_model")
        ),
        sa.CheckConstraint(
            "total_tokens >= 0 AND input_tokens >= 0 AND cache_read_tokens >= 0"
            " AND cache_write_tokens >= 0 AND output_tokens >= 0 AND reasoning_tokens >= 0",
            name=op.f("ck_llm_usage_events_not_negative"),
        ),
        sa.CheckConstraint(
            "(input_tokens IS NULL AND cache_read_tokens IS NULL"
            " AND cache_write_tokens IS NULL AND output_tokens IS NULL)"
            " OR (input_tokens IS NOT NULL AND cache_read_tokens IS NOT NULL"
            " AND cache_write_tokens IS NOT NULL AND output_tokens IS NOT NULL"
            " AND total_tokens"
            " = input_tokens + cache_read_tokens + cache_write_tokens + output_tokens)",
            name=op.f("ck_llm_usage_events_split"),
        ),
        sa.CheckConstraint(
            "reasoning_tokens <= COALESCE(output_tokens, total_tokens)",
            name=op.f("ck_llm_usage_events_reasoning"),
        ),
    )
    op.create_index(
        op.f("ix_llm_usage_events_run_id_phase_id_attempt"),
        "llm_usage_events",
        ["run_id", "phase_id", "attempt"],
    )
    op.create_table(
        "llm_call_intents",
        sa.Column("intent_key", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("closed_at", TIME),
        sa.PrimaryKeyConstraint("intent_key", name=op.f("pk_llm_call_intents")),
        sa.CheckConstraint(
            "role IN ('builder', 'doctor', 'reviewer', 'research')",
            name=op.f("ck_llm_call_intents_role"),
        ),
    )
    op.create_index(
        op.f("ix_llm_call_intents_run_id_phase_id_attempt"),
        "llm_call_intents",
        ["run_id", "phase_id", "attempt"],
    )
    if op.get_context().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(APPEND_ONLY_SQLITE.format(verb=verb))
    else:
        op.execute(APPEND_ONLY_FUNCTION)
        for verb, unit in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
            op.execute(APPEND_ONLY_POSTGRESQL.format(verb=verb, unit=unit))
