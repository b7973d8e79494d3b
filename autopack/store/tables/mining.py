"""The tables of mining: which signature each logged error has, and what a signature says."""

from __future__ import annotations

import sqlalchemy as sa

from autopack.store.columns import FreeText, UtcDateTime, metadata

# Never changed once written: a new version of the masks makes other signatures.
mined_signatures = sa.Table(
    "mined_signatures",
    metadata,
    sa.Column("signature", sa.String(64), primary_key=True),
    sa.Column("signature_version", sa.Integer, nullable=False),
    sa.Column("normalised", FreeText, nullable=False),
    # The exception that the line begins with, and the cause by the classifier.
    sa.Column("exception", FreeText),
    sa.Column("type", sa.Text, nullable=False),
    # A built-in or installed pattern that recognises the first text, whether or not it was on.
    sa.Column("known_pattern", sa.Text),
    sa.Column("mined_at", UtcDateTime, nullable=False),
)

# An error can be looked at by several versions, by each of them once.
mined_errors = sa.Table(
    "mined_errors",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("phase_id", sa.String(64), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("signature_version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("signature", sa.String(64), nullable=False),
    sa.Index(None, "signature", "run_id", "phase_id", "attempt"),
    sqlite_with_rowid=False,
)
