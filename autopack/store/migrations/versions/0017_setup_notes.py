"""What was done otherwise than asked when the environment of a run was made."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
oldest_code = "0001"  # only adds a column that may be null


def upgrade() -> None:
    op.add_column("runs", sa.Column("setup_notes", sa.JSON()))
