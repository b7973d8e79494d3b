"""A name of its own for the database, which runs carry; and whether a spool was redacted."""

import secrets
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
# No oldest_code: code that knows no identity would look for a run's folder in the wrong place.


def upgrade() -> None:
    table = op.create_table(
        "database_identity",
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("identity", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_database_identity")),
        sa.CheckConstraint("number = 1", name=op.f("ck_database_identity_number")),
    )
    op.bulk_insert(
        table,
        [{"number": 1, "identity": secrets.token_hex(16), "created_at": datetime.now(UTC)}],
    )
    # Null in the runs that are older than this.
    op.add_column("runs", sa.Column("database_id", sa.String(32)))
    op.add_column("attempts", sa.Column("redacted_at", sa.DateTime(timezone=True)))
