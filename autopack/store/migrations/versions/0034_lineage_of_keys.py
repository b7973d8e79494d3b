"""Which key made a key, and which tokens of an account hold: those since its last change."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None
oldest_code = "0016"  # only adds columns


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("made_by_key", sa.String(16)))
    op.add_column(
        "api_accounts", sa.Column("generation", sa.Integer(), nullable=False, server_default="0")
    )
