"""The model of an attempt, and its level on the ladder of models."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None
# Earlier versions do not know plans that name a builder or a ladder.


def upgrade() -> None:
    op.add_column("attempts", sa.Column("model", sa.Text()))
    op.add_column(
        "attempts", sa.Column("model_level", sa.Integer(), nullable=False, server_default="0")
    )
    # Until now a run had one model, which all its attempts asked for.
    op.execute(
        "UPDATE attempts SET model ="
        " (SELECT runs.model FROM runs WHERE runs.run_id = attempts.run_id)"
    )
