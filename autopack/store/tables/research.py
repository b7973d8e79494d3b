"""The tables of research: answers of models that were paid for, reports, and what is known."""

from __future__ import annotations

import sqlalchemy as sa

from autopack.store.columns import FreeText, Json, UtcDateTime, metadata

# An answer of the model behind a research phase, stored with its cost: nobody pays for it twice.
# Step and number tell which.
research_answers = sa.Table(
    "research_answers",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("phase_id", sa.String(64), primary_key=True),
    sa.Column("step", sa.String(16), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    # Null for a call whose answer could not be used.
    sa.Column("answer", Json),
    sa.Column("problem", FreeText),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
)

# The report of a research phase, as `autopack research run --json` prints it.
research_reports = sa.Table(
    "research_reports",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("phase_id", sa.String(64), primary_key=True),
    sa.Column("report", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
)

# What was found out about a question, by a hash of the question, of what its sources hold and of
# who was asked: as long as that is the same, nobody is asked again.
research_findings = sa.Table(
    "research_findings",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("question", FreeText, nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("phase_id", sa.String(64), nullable=False),
    sa.Column("finding", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
