"""What is added to an experiment after it was registered, and the pairs that are run again."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None
oldest_code = "0016"  # only adds columns that may be empty


def upgrade() -> None:
    op.add_column("ab_tests", sa.Column("amendments", sa.JSON(none_as_null=True)))
    op.add_column("ab_pairs", sa.Column("replaces", sa.Integer()))
