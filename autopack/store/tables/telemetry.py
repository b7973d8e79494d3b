"""The table of what was sent to a collector of OpenTelemetry."""

from __future__ import annotations

import sqlalchemy as sa

from autopack.store.columns import UtcDateTime, metadata

# A run whose spans a collector has taken, and up to which time of its facts.
sent_spans = sa.Table(
    "sent_spans",
    metadata,
    sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("until", UtcDateTime, nullable=False),
)
