"""How often a run had been resumed when its last attempt ended: only later times count."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
oldest_code = "0001"  # only adds a column with a default


def upgrade() -> None:
    op.add_column(
        "runs",
        sa.Column("recoveries_at_progress", sa.Integer(), nullable=False, server_default="0"),
    )
