"""The table of replay campaigns; which run replays which is in the runs."""

from __future__ import annotations

import sqlalchemy as sa

from autopack.store.columns import Json, UtcDateTime, metadata

replay_campaigns = sa.Table(
    "replay_campaigns",
    metadata,
    sa.Column("campaign_id", sa.String(64), primary_key=True),
    # The originals in their order: a campaign that goes on does not choose again.
    sa.Column("run_ids", Json, nullable=False),
    sa.Column("enable", Json, nullable=False),
    sa.Column("disable", Json, nullable=False),
    sa.Column("has_baseline", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
