"""Sessions of people on the page."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None
oldest_code = "0016"  # only adds a table

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "api_sessions",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_api_sessions")),
        sa.ForeignKeyConstraint(
            ["account"], ["api_accounts.name"], name=op.f("fk_api_sessions_account_api_accounts")
        ),
    )
    op.create_index(op.f("ix_api_sessions_account"), "api_sessions", ["account"])
