"""Who ended a build and what its provider answered, and which attempts count."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
oldest_code = "0001"  # only adds columns that may be null or have a default


def upgrade() -> None:
    op.add_column("attempts", sa.Column("ended_by", sa.String(16)))
    op.add_column("attempts", sa.Column("http_status", sa.Integer()))
    op.add_column("attempts", sa.Column("retry_after", sa.Double()))
    op.add_column("attempts", sa.Column("build_cause", sa.String(32)))
    op.add_column(
        "attempts",
        sa.Column("counts", sa.Boolean(), nullable=False, server_default=sa.true()),
    )
