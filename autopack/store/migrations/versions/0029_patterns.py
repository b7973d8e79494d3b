"""What patterns saw, what their hits were worth, and how their states moved."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None
oldest_code = "0016"  # only adds tables


def upgrade() -> None:
    op.create_table(
        "pattern_transitions",
        sa.Column("pattern_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("mitigation", sa.String(32), nullable=False),
        sa.Column("from_state", sa.String(16)),
        sa.Column("to_state", sa.String(16), nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "to_state IN ('candidate', 'shadow', 'suggest', 'mitigate', 'retired')",
            name=op.f("ck_pattern_transitions_to_state"),
        ),
        sa.CheckConstraint(
            "cause IN ('generated', 'loaded', 'judged', 'person')",
            name=op.f("ck_pattern_transitions_cause"),
        ),
        sa.PrimaryKeyConstraint(
            "pattern_id", "digest", "repository", "ordinal", name=op.f("pk_pattern_transitions")
        ),
    )
    op.create_table(
        "pattern_hits",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("pattern_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("mitigation", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("captured", sa.JSON(), nullable=False),
        sa.Column("seed", sa.Text()),
        sa.Column("share", sa.Double),
        sa.Column("draw", sa.Double),
        sa.Column("arm", sa.String(16)),
        sa.Column("outcome", sa.String(16)),
        sa.Column("verdict", sa.String(8)),
        sa.Column("judged_by", sa.String(16)),
        sa.Column("judged_why", sa.Text()),
        sa.Column("judged_at", sa.DateTime(timezone=True)),
        sa.Column("tried", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("arm IN ('treated', 'held_out')", name=op.f("ck_pattern_hits_arm")),
        sa.CheckConstraint("verdict IN ('right', 'wrong')", name=op.f("ck_pattern_hits_verdict")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pattern_hits")),
        sa.UniqueConstraint(
            "run_id",
            "phase_id",
            "pattern_id",
            name=op.f("uq_pattern_hits_run_id_phase_id_pattern_id"),
        ),
    )
    op.create_index(
        op.f("ix_pattern_hits_pattern_id_digest_repository"),
        "pattern_hits",
        ["pattern_id", "digest", "repository"],
    )
    op.create_table(
        "pattern_looks",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("set_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "phase_id", "attempt", name=op.f("pk_pattern_looks")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_pattern_looks_set_id_repository"), "pattern_looks", ["set_id", "repository"]
    )
    op.create_table(
        "pattern_sets",
        sa.Column("set_id", sa.String(64), nullable=False),
        sa.Column("pattern_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("set_id", "pattern_id", "digest", name=op.f("pk_pattern_sets")),
        sqlite_with_rowid=False,
    )
