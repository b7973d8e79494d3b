"""What effects outside the database need: leases by uptime, endings that are under way, and tries
to resume a run.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
oldest_code = "0001"  # only adds a table, and columns that may be null or have a default

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("leases", sa.Column("uptime", sa.JSON()))
    op.add_column(
        "runs", sa.Column("recovery_tries", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("runs", sa.Column("recovery_tried_at", TIME))
    op.create_table(
        "run_endings",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("head_commit", sa.String(64)),
        sa.Column("noted_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.run_id"], name=op.f("fk_run_endings_run_id_runs")
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_endings")),
    )
