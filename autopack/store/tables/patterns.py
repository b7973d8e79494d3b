"""The tables of measured patterns: what they saw, what it was worth, and how they moved."""

from __future__ import annotations

import sqlalchemy as sa

from autopack.store.columns import FreeText, Json, UtcDateTime, metadata, one_of

# Each move of a pattern from one state to the next, with its evidence; the last one is its state.
# A changed detector has another digest, and begins again. The repository is "" for all of them.
pattern_transitions = sa.Table(
    "pattern_transitions",
    metadata,
    sa.Column("pattern_id", sa.Text, primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("repository", sa.Text, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("mitigation", sa.String(32), nullable=False),
    sa.Column("from_state", sa.String(16)),
    sa.Column("to_state", sa.String(16), nullable=False),
    sa.Column("cause", sa.String(16), nullable=False),
    sa.Column("why", FreeText, nullable=False),
    sa.Column("evidence", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    one_of("to_state", ("candidate", "shadow", "suggest", "mitigate", "retired")),
    one_of("cause", ("generated", "loaded", "judged", "person")),
)

# The first match of a pattern in a phase: what it might do then, whether it was held out, and
# what that was worth, once facts say so.
pattern_hits = sa.Table(
    "pattern_hits",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("phase_id", sa.String(64), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("pattern_id", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("repository", sa.Text, nullable=False),
    sa.Column("mitigation", sa.String(32), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("captured", Json, nullable=False),
    # The draw of the hold-out, where there was one.
    sa.Column("seed", sa.Text),
    sa.Column("share", sa.Double),
    sa.Column("draw", sa.Double),
    sa.Column("arm", sa.String(16)),
    # The state in which the phase ended; null while it is open.
    sa.Column("outcome", sa.String(16)),
    sa.Column("verdict", sa.String(8)),
    sa.Column("judged_by", sa.String(16)),
    sa.Column("judged_why", FreeText),
    sa.Column("judged_at", UtcDateTime),
    # Why a trial of its mitigation said nothing; null where none was made.
    sa.Column("tried", FreeText),
    sa.Column("created_at", UtcDateTime, nullable=False),
    one_of("arm", ("treated", "held_out")),
    one_of("verdict", ("right", "wrong")),
    sa.UniqueConstraint("run_id", "phase_id", "pattern_id"),
    sa.Index(None, "pattern_id", "digest", "repository"),
)

# Which detectors looked at the failure of an attempt: a set of them, which is stored once.
pattern_looks = sa.Table(
    "pattern_looks",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("phase_id", sa.String(64), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("repository", sa.Text, nullable=False),
    sa.Column("set_id", sa.String(64), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index(None, "set_id", "repository"),
    sqlite_with_rowid=False,
)

pattern_sets = sa.Table(
    "pattern_sets",
    metadata,
    sa.Column("set_id", sa.String(64), primary_key=True),
    sa.Column("pattern_id", sa.Text, primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True),
    sqlite_with_rowid=False,
)
