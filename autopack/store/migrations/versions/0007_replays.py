"""Replay campaigns: which run replays which. And how often a run was resumed for its holder."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
oldest_code = "0001"  # only adds a table, and columns that may be left out


def upgrade() -> None:
    op.add_column("runs", sa.Column("replay_of", sa.String(64)))
    op.add_column("runs", sa.Column("lane", sa.String(16)))
    op.add_column("runs", sa.Column("recoveries", sa.Integer(), nullable=False, server_default="0"))
    op.create_index(
        op.f("uq_runs_campaign_id_replay_of_lane"),
        "runs",
        ["campaign_id", "replay_of", "lane"],
        unique=True,
    )
    op.create_table(
        "replay_campaigns",
        sa.Column("campaign_id", sa.String(64), nullable=False),
        sa.Column("run_ids", sa.JSON(), nullable=False),
        sa.Column("enable", sa.JSON(), nullable=False),
        sa.Column("disable", sa.JSON(), nullable=False),
        sa.Column("has_baseline", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_replay_campaigns")),
    )
