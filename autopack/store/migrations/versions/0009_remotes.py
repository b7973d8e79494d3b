"""Where a run is pushed to, and which home has what an attempt printed."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
oldest_code = "0001"  # only adds columns that may be null


def upgrade() -> None:
    op.add_column("runs", sa.Column("push", sa.Text()))
    op.add_column("runs", sa.Column("push_error", sa.Text()))
    op.add_column("attempts", sa.Column("home", sa.String(32)))
