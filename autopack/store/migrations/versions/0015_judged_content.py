"""What an attempt left that its commit lacks, the tests it changed, and the check at the end."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
oldest_code = "0011"  # only adds a table, and columns that may be null

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("attempts", sa.Column("left_out", sa.JSON()))
    op.add_column("attempts", sa.Column("changed_tests", sa.JSON()))
    op.add_column("runs", sa.Column("final_check", sa.JSON()))
    op.create_table(
        "installs",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("argv", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id", "phase_id"],
            ["phases.run_id", "phases.phase_id"],
            name=op.f("fk_installs_run_id_phase_id_phases"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installs")),
    )
    op.create_index(op.f("ix_installs_run_id"), "installs", ["run_id"])
