"""Which run a run retries, and the attempt whose work its first open phase begins with."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
oldest_code = "0001"  # only adds columns that may be left out


def upgrade() -> None:
    op.add_column("runs", sa.Column("retry_of", sa.String(64)))
    op.add_column("runs", sa.Column("retry_phase", sa.String(64)))
    op.add_column("runs", sa.Column("retry_attempt", sa.Integer()))
