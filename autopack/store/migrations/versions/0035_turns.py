"""Runs that begin before there is room for them in their fleet, and work once there is."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None
oldest_code = "0016"  # only adds a table


def upgrade() -> None:
    op.create_table(
        "turns",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("fleet", sa.Text(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('held', 'ready', 'given')", name=op.f("ck_turns_state")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_turns")),
    )
