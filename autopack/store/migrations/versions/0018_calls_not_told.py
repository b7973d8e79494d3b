"""An index of the calls that ended without telling all they used: usage asks for those of days."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
oldest_code = "0016"  # only adds an index


def upgrade() -> None:
    op.create_index(
        "ix_llm_call_intents_not_told",
        "llm_call_intents",
        ["role", "opened_at"],
        sqlite_where=sa.text("told IS NOT NULL"),
        postgresql_where=sa.text("told IS NOT NULL"),
    )
