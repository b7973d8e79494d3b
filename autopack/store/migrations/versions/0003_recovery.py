"""What recovery did: plans made from text, mitigations, doctor calls."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
oldest_code = "0001"  # only adds tables

TIME = sa.DateTime(timezone=True)
REAL: sa.types.TypeEngine[float] = sa.Double()


def upgrade() -> None:
    op.create_table(
        "normalisations",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("deliverables", sa.JSON(), nullable=False),
        sa.Column("scope", sa.JSON(), nullable=False),
        sa.Column("confidence", REAL, nullable=False),
        sa.Column("confidence_parts", sa.JSON(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_normalisations")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.run_id"], name=op.f("fk_normalisations_run_id_runs")
        ),
    )
    op.create_table(
        "mitigations",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("pattern_id", sa.Text(), nullable=False),
        sa.Column("success", sa.Boolean(), nullable=False),
        sa.Column("fixed", sa.Boolean(), nullable=False),
        sa.Column("actions_taken", sa.JSON(), nullable=False),
        sa.Column("suggestions", sa.JSON(), nullable=False),
        sa.Column("doctor_call_skipped", sa.Boolean(), nullable=False),
        sa.Column("doctor_model", sa.String(16)),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mitigations")),
        _phase_key("mitigations"),
    )
    op.create_index(
        op.f("ix_mitigations_run_id_phase_id_attempt"),
        "mitigations",
        ["run_id", "phase_id", "attempt"],
    )
    op.create_table(
        "base_failures",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("commit", sa.String(64), nullable=False),
        sa.Column("command", sa.JSON(), nullable=False),
        sa.Column("tests", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_base_failures")),
    )
    op.create_table(
        "phase_revisions",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "phase_id", "revision", name=op.f("pk_phase_revisions")),
        _phase_key("phase_revisions"),
    )
    op.create_table(
        "drifts",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("similarity", REAL),
        sa.Column("cosine", REAL, nullable=False),
        sa.Column("embedder", sa.Text(), nullable=False),
        sa.Column("threshold", REAL, nullable=False),
        sa.Column("drifted", sa.Boolean(), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "phase_id", "revision", name=op.f("pk_drifts")),
        _phase_key("drifts"),
    )
    op.create_table(
        "consultations",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("phase_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("tier", sa.String(16), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("infrastructure", sa.Boolean(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("confidence", REAL, nullable=False),
        sa.Column("rationale", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("commit", sa.String(64), nullable=False),
        sa.Column("commands", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consultations")),
        _phase_key("consultations"),
    )
    op.create_index(
        op.f("ix_consultations_run_id_phase_id"), "consultations", ["run_id", "phase_id"]
    )


def _phase_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["run_id", "phase_id"],
        ["phases.run_id", "phases.phase_id"],
        name=op.f(f"fk_{table}_run_id_phase_id_phases"),
    )
