"""The agent's own conversation of an attempt, which a retry may continue."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None
oldest_code = "0016"  # only adds a column that may be empty


def upgrade() -> None:
    op.add_column("attempts", sa.Column("conversation", sa.JSON()))
