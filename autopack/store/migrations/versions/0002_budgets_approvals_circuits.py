"""Budgets above and below a run, questions to people, and circuits of providers."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
REAL: sa.types.TypeEngine[float] = sa.Double()
MONEY: sa.types.TypeEngine[Any] = sa.Numeric().with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column("runs", sa.Column("campaign_id", sa.String(64)))
    op.create_index(op.f("ix_runs_campaign_id"), "runs", ["campaign_id"])
    op.create_table(
        "budget_campaigns",
        sa.Column("campaign_id", sa.String(64), nullable=False),
        sa.Column("token_cap", sa.BigInteger()),
        sa.Column("cost_cap", MONEY),
        sa.Column("minutes_cap", REAL),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_budget_campaigns")),
    )
    op.create_table(
        "budget_reservations",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost", MONEY),
        sa.Column("minutes", REAL, nullable=False),
        sa.Column("spent_tokens", sa.BigInteger()),
        sa.Column("spent_cost", MONEY),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("settled_at", TIME),
        sa.PrimaryKeyConstraint(
            "run_id", "phase_id", "attempt", name=op.f("pk_budget_reservations")
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "phase_id", "attempt"],
            ["attempts.run_id", "attempts.phase_id", "attempts.attempt"],
            name=op.f("fk_budget_reservations_run_id_phase_id_attempt_attempts"),
        ),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("level", sa.String(16)),
        sa.Column("resource", sa.String(16)),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("approved", sa.Boolean()),
        sa.Column("answered_at", TIME),
        sa.Column("answered_by", sa.Text()),
        sa.Column("new_cap", MONEY),
        sa.Column("note", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        sa.ForeignKeyConstraint(
            ["run_id", "phase_id"],
            ["phases.run_id", "phases.phase_id"],
            name=op.f("fk_approvals_run_id_phase_id_phases"),
        ),
        sa.CheckConstraint("kind IN ('cap', 'phase')", name=op.f("ck_approvals_kind")),
        sa.CheckConstraint(
            "level IN ('campaign', 'run', 'phase')", name=op.f("ck_approvals_level")
        ),
        sa.CheckConstraint(
            "resource IN ('tokens', 'cost', 'minutes')", name=op.f("ck_approvals_resource")
        ),
    )
    op.create_index(op.f("ix_approvals_run_id_phase_id"), "approvals", ["run_id", "phase_id"])
    op.create_table(
        "circuits",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("successes", sa.Integer(), nullable=False),
        sa.Column("probes", sa.Integer(), nullable=False),
        sa.Column("transitions", sa.Integer(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_circuits")),
        sa.CheckConstraint(
            "state IN ('closed', 'open', 'half_open')", name=op.f("ck_circuits_state")
        ),
    )
