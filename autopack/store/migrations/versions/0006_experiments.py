"""What each run starts from, and A/B experiments: tests, pairs, results."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
oldest_code = "0001"  # only adds tables, and a column that may be null

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("runs", sa.Column("prompt", sa.Text()))
    op.create_table(
        "run_fingerprints",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("commit_sha", sa.String(64)),
        sa.Column("tree_hash", sa.String(64)),
        sa.Column("dirty", sa.Boolean()),
        sa.Column("run_spec_hash", sa.String(64)),
        sa.Column("environment_hash", sa.String(64)),
        sa.Column("platform", sa.Text()),
        sa.Column("settings", sa.JSON()),
        sa.Column("autopack_version", sa.Text()),
        sa.Column("repo_url", sa.Text()),
        sa.Column("branch", sa.Text()),
        sa.Column("operator", sa.Text()),
        sa.Column("builder", sa.Text()),
        sa.Column("builder_options", sa.JSON()),
        sa.Column("option_files", sa.JSON()),
        sa.Column("models", sa.JSON()),
        sa.Column("model_mapping_hash", sa.String(64)),
        sa.Column("features", sa.JSON()),
        sa.Column("feature_hash", sa.String(64)),
        sa.Column("prompt_hash", sa.String(64)),
        sa.Column("token_cap", sa.BigInteger()),
        sa.Column("at_cap", sa.String(8)),
        sa.Column("timestamp", TIME),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_fingerprints")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.run_id"], name=op.f("fk_run_fingerprints_run_id_runs")
        ),
    )
    op.create_table(
        "ab_tests",
        sa.Column("test_id", sa.String(64), nullable=False),
        sa.Column("spec_hash", sa.String(64), nullable=False),
        sa.Column("protocol_hash", sa.String(64), nullable=False),
        sa.Column("repo", sa.Text(), nullable=False),
        sa.Column("commit_sha", sa.String(64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("finished_at", TIME),
        sa.Column("stop_reason", sa.Text()),
        sa.PrimaryKeyConstraint("test_id", name=op.f("pk_ab_tests")),
        sa.UniqueConstraint("protocol_hash", name=op.f("uq_ab_tests_protocol_hash")),
    )
    op.create_index(op.f("ix_ab_tests_spec_hash"), "ab_tests", ["spec_hash"])
    op.create_table(
        "ab_pairs",
        sa.Column("test_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("plan_name", sa.Text(), nullable=False),
        sa.Column("plan_hash", sa.String(64), nullable=False),
        sa.Column("replicate", sa.Integer(), nullable=False),
        sa.Column("first", sa.String(16), nullable=False),
        sa.Column("control_run_id", sa.String(64), nullable=False),
        sa.Column("treatment_run_id", sa.String(64), nullable=False),
        sa.Column("reserved_tokens", sa.BigInteger()),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("is_valid", sa.Boolean()),
        sa.Column("warnings", sa.JSON()),
        sa.Column("errors", sa.JSON()),
        sa.PrimaryKeyConstraint("test_id", "number", name=op.f("pk_ab_pairs")),
        sa.ForeignKeyConstraint(
            ["test_id"], ["ab_tests.test_id"], name=op.f("fk_ab_pairs_test_id_ab_tests")
        ),
        sa.UniqueConstraint("control_run_id", name=op.f("uq_ab_pairs_control_run_id")),
        sa.UniqueConstraint("treatment_run_id", name=op.f("uq_ab_pairs_treatment_run_id")),
        sa.CheckConstraint(
            "first IN ('control', 'treatment', 'together')", name=op.f("ck_ab_pairs_first")
        ),
    )
    op.create_table(
        "ab_test_results",
        sa.Column("test_id", sa.String(64), nullable=False),
        sa.Column("input_hash", sa.String(64), nullable=False),
        sa.Column("protocol_hash", sa.String(64), nullable=False),
        sa.Column("decision", sa.String(40), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("n_pairs", sa.Integer(), nullable=False),
        sa.Column("n_void", sa.Integer(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("test_id", "input_hash", name=op.f("pk_ab_test_results")),
    )
    op.create_index(
        op.f("ix_ab_test_results_created_at_test_id"),
        "ab_test_results",
        ["created_at", "test_id"],
    )
