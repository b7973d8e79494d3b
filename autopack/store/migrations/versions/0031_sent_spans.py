"""Runs whose spans were sent to a collector."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None
oldest_code = "0016"  # only adds a table


def upgrade() -> None:
    op.create_table(
        "sent_spans",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_sent_spans")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.run_id"], name=op.f("fk_sent_spans_run_id_runs")
        ),
    )
