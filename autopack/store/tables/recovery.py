"""The tables of what was done about failures, and of how far phases stray from the goal."""

from __future__ import annotations

import sqlalchemy as sa

from autopack.store.columns import FreeText, Json, UtcDateTime, metadata, one_of

# A plan that was made from plain text: the text, and how far the plan can be trusted.
normalisations = sa.Table(
    "normalisations",
    metadata,
    sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("text", FreeText, nullable=False),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("deliverables", Json, nullable=False),
    sa.Column("scope", Json, nullable=False),
    sa.Column("confidence", sa.Double, nullable=False),
    sa.Column("confidence_parts", Json, nullable=False),
    sa.Column("warnings", Json, nullable=False),
)

# A known failure that was met without a model.
mitigations = sa.Table(
    "mitigations",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("phase_id", sa.String(64), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("pattern_id", sa.Text, nullable=False),
    # Every action was carried out.
    sa.Column("success", sa.Boolean, nullable=False),
    # The failure was gone afterwards; else every action was undone.
    sa.Column("fixed", sa.Boolean, nullable=False),
    sa.Column("actions_taken", Json, nullable=False),
    sa.Column("suggestions", Json, nullable=False),
    # The attempt passed, and without that a doctor would have been asked: which one.
    sa.Column("doctor_call_skipped", sa.Boolean, nullable=False),
    sa.Column("doctor_model", sa.String(16)),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
    sa.Index(None, "run_id", "phase_id", "attempt"),
)

# What was installed besides setup because that helped: done again wherever setup is.
installs = sa.Table(
    "installs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("phase_id", sa.String(64), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("argv", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
    sa.Index(None, "run_id"),
)

# The tests that fail before a run changes anything, by commit, command and environment.
base_failures = sa.Table(
    "base_failures",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("command", Json, nullable=False),
    sa.Column("tests", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

# The instructions that a replan gave a phase, by the revision from which they are in force.
phase_revisions = sa.Table(
    "phase_revisions",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("phase_id", sa.String(64), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("instructions", FreeText, nullable=False),
    sa.Column("reason", FreeText, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
)

# How far each revision of a phase strays from the goal of its run.
drifts = sa.Table(
    "drifts",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("phase_id", sa.String(64), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("similarity", sa.Double),  # null: a text has no word to compare
    sa.Column("cosine", sa.Double, nullable=False),
    sa.Column("embedder", sa.Text, nullable=False),
    sa.Column("threshold", sa.Double, nullable=False),
    sa.Column("drifted", sa.Boolean, nullable=False),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
)

# One call of a doctor, and what it answered.
consultations = sa.Table(
    "consultations",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("phase_id", sa.String(64), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("tier", sa.String(16), nullable=False),
    # Why the routing rules asked this doctor.
    sa.Column("route", sa.Text, nullable=False),
    sa.Column("infrastructure", sa.Boolean, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("confidence", sa.Double, nullable=False),
    sa.Column("rationale", FreeText, nullable=False),
    sa.Column("hint", FreeText, nullable=False),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("commands", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
    sa.Index(None, "run_id", "phase_id"),
)

# What a reviewer said of a change whose checks passed.
reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("phase_id", sa.String(64), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    # Which review of its phase it is, from 1, and of which commit.
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("model", sa.Text),
    sa.Column("simulated", sa.Boolean, nullable=False),
    sa.Column("verdict", sa.String(16), nullable=False),
    # Its sentence, or why it is inconclusive.
    sa.Column("why", FreeText, nullable=False),
    # What it objects to: path, quote, problem, place in the diff; later also whether the next
    # attempt changed the quoted lines, and what a person said of it.
    sa.Column("findings", Json, nullable=False),
    # Findings whose quotation does not hold, with the reason of each.
    sa.Column("dropped", Json, nullable=False),
    sa.Column("notes", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
    sa.UniqueConstraint("run_id", "phase_id", "round"),
    one_of("verdict", ("approve", "reject", "inconclusive")),
    sa.Index(None, "created_at"),
)
