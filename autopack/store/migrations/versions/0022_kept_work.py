"""Whether the attempt after a failed one starts from its tree, as it was decided."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None
oldest_code = "0016"  # only adds a column that may be empty


def upgrade() -> None:
    op.add_column("attempts", sa.Column("keeps_work", sa.Boolean()))
