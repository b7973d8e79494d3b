"""Every call reserves budget, not builds alone: a reservation belongs to a call of a role."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
# Older code would take what a doctor's call reserved for a build.
oldest_code = "0019"

COLUMNS = ("run_id", "phase_id", "attempt", "tokens", "cost", "minutes")
SETTLED = ("spent_tokens", "spent_cost", "opened_at", "settled_at")
TIME = sa.DateTime(timezone=True)
MONEY: sa.types.TypeEngine[Any] = sa.Numeric().with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.execute("CREATE TABLE budget_reservations_before AS SELECT * FROM budget_reservations")
    op.drop_table("budget_reservations")
    op.create_table(
        "budget_reservations",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("call", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost", MONEY),
        sa.Column("minutes", sa.Double[float](), nullable=False),
        sa.Column("spent_tokens", sa.BigInteger()),
        sa.Column("spent_cost", MONEY),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("settled_at", TIME),
        sa.PrimaryKeyConstraint(
            "run_id",
            "phase_id",
            "attempt",
            "role",
            "call",
            name=op.f("pk_budget_reservations"),
        ),
        sa.CheckConstraint(
            "role IN ('builder', 'doctor', 'reviewer', 'research')",
            name=op.f("ck_budget_reservations_role"),
        ),
    )
    names = ", ".join((*COLUMNS, *SETTLED))
    op.execute(
        f"INSERT INTO budget_reservations ({names}, role, call)"  # noqa: S608 (constants only)
        f" SELECT {names}, 'builder', 1 FROM budget_reservations_before"
    )
    op.drop_table("budget_reservations_before")
