"""What mining found: the signature of each logged error, and what a signature says."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
oldest_code = "0016"  # only adds tables


def upgrade() -> None:
    op.create_table(
        "mined_signatures",
        sa.Column("signature", sa.String(64), nullable=False),
        sa.Column("signature_version", sa.Integer(), nullable=False),
        sa.Column("normalised", sa.Text(), nullable=False),
        sa.Column("exception", sa.Text()),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("known_pattern", sa.Text()),
        sa.Column("mined_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("signature", name=op.f("pk_mined_signatures")),
    )
    op.create_table(
        "mined_errors",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("signature_version", sa.Integer(), nullable=False),
        sa.Column("signature", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint(
            "run_id", "phase_id", "attempt", "signature_version", name=op.f("pk_mined_errors")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_mined_errors_signature_run_id_phase_id_attempt"),
        "mined_errors",
        ["signature", "run_id", "phase_id", "attempt"],
    )
