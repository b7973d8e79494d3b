"""The tables of what happened to each run, and of what holds builds back."""

from __future__ import annotations

import sqlalchemy as sa

from autopack.store.columns import FreeText, UtcDateTime, metadata, one_of

PAUSE_KINDS = ("run", "builder", "provider", "all")

# Append-only, and filled by triggers alone, in the transaction that changes the run. The numbers
# of a run have no gaps and rise in the order of commits.
run_events = sa.Table(
    "run_events",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("phase_id", sa.String(64)),
    sa.Column("attempt", sa.Integer),
    # What came of it: a state, a decision's kind, approved or rejected, ….
    sa.Column("state", sa.Text, nullable=False),
)

# No build starts while a row here is about it. ``name`` is empty where everything is paused;
# ``now`` also interrupts the build that is under way.
pauses = sa.Table(
    "pauses",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("now", sa.Boolean, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("note", FreeText),
    one_of("kind", PAUSE_KINDS),
)

TURN_STATES = ("held", "ready", "given")

# A run that a fleet has begun before there is room for it. A row that is not renewed any more
# holds nobody back; one that goes before it was given says that the run is to rest.
turns = sa.Table(
    "turns",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("fleet", sa.Text, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("renewed_at", UtcDateTime, nullable=False),
    one_of("state", TURN_STATES),
)
