"""The tables of A/B experiments: what each run started from, registered tests, pairs, results."""

from __future__ import annotations

import sqlalchemy as sa

from autopack.store.columns import FreeText, Json, UtcDateTime, metadata

# One row a run, written once, when its first session begins.
run_fingerprints = sa.Table(
    "run_fingerprints",
    metadata,
    sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("commit_sha", sa.String(64)),
    sa.Column("tree_hash", sa.String(64)),
    # Whether the user's checkout had changes that no commit holds; null where there is none.
    sa.Column("dirty", sa.Boolean),
    sa.Column("run_spec_hash", sa.String(64)),
    sa.Column("environment_hash", sa.String(64)),
    sa.Column("platform", sa.Text),
    sa.Column("settings", Json),
    sa.Column("autopack_version", sa.Text),
    sa.Column("repo_url", sa.Text),
    sa.Column("branch", sa.Text),
    sa.Column("operator", sa.Text),
    sa.Column("builder", sa.Text),
    sa.Column("builder_options", Json),
    # SHA-256 of the files that options name, by option.
    sa.Column("option_files", Json),
    sa.Column("models", Json),
    sa.Column("model_mapping_hash", sa.String(64)),
    sa.Column("features", Json),
    sa.Column("feature_hash", sa.String(64)),
    # null where the run was given none.
    sa.Column("prompt_hash", sa.String(64)),
    sa.Column("token_cap", sa.BigInteger),
    sa.Column("at_cap", sa.String(8)),
    sa.Column("timestamp", UtcDateTime),
)

# An experiment as it was registered before its first pair; a changed one is another row.
ab_tests = sa.Table(
    "ab_tests",
    metadata,
    sa.Column("test_id", sa.String(64), primary_key=True),
    # Of everything that was declared; the protocol adds the commit that it was resolved to.
    sa.Column("spec_hash", sa.String(64), nullable=False),
    sa.Column("protocol_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("repo", sa.Text, nullable=False),
    sa.Column("commit_sha", sa.String(64), nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    # Why no further pair was started.
    sa.Column("stop_reason", FreeText),
    # What was added later, oldest first: to its budget, and which void pairs are run again.
    sa.Column("amendments", Json),
    sa.Index(None, "spec_hash"),
)

ab_pairs = sa.Table(
    "ab_pairs",
    metadata,
    sa.Column("test_id", sa.String(64), sa.ForeignKey("ab_tests.test_id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("plan_name", sa.Text, nullable=False),
    sa.Column("plan_hash", sa.String(64), nullable=False),
    sa.Column("replicate", sa.Integer, nullable=False),
    # Which arm starts first.
    sa.Column("first", sa.String(16), nullable=False),
    sa.Column("control_run_id", sa.String(64), nullable=False, unique=True),
    sa.Column("treatment_run_id", sa.String(64), nullable=False, unique=True),
    # What is set aside of the experiment's budget while the pair runs.
    sa.Column("reserved_tokens", sa.BigInteger),
    sa.Column("started_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    # null until the pair is judged.
    sa.Column("is_valid", sa.Boolean),
    sa.Column("warnings", Json),
    sa.Column("errors", Json),
    # The number of the void pair that it takes the place of; null for one that was planned.
    sa.Column("replaces", sa.Integer),
    sa.CheckConstraint("first IN ('control', 'treatment', 'together')", name="first"),
)

# No foreign key: finished runs can be analysed without a registered test.
ab_test_results = sa.Table(
    "ab_test_results",
    metadata,
    sa.Column("test_id", sa.String(64), primary_key=True),
    sa.Column("input_hash", sa.String(64), primary_key=True),
    sa.Column("protocol_hash", sa.String(64), nullable=False),
    sa.Column("decision", sa.String(40), nullable=False),
    sa.Column("sentence", FreeText, nullable=False),
    sa.Column("n_pairs", sa.Integer, nullable=False),
    sa.Column("n_void", sa.Integer, nullable=False),
    sa.Column("report", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index(None, "created_at", "test_id"),
)
