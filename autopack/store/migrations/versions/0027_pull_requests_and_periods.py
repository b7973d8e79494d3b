"""Pull requests of runs, and caps of a campaign that are for each day or month."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None
oldest_code = "0016"  # only adds columns that may be empty


def upgrade() -> None:
    op.add_column("runs", sa.Column("pr", sa.String(8)))
    op.add_column("runs", sa.Column("pull_request", sa.JSON(none_as_null=True)))
    op.add_column("budget_campaigns", sa.Column("period", sa.String(8)))
