"""Replay campaigns planned and stored without an engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from autopack.campaigns.lanes import register, store_replays
from autopack.campaigns.planning import PlannedCampaign, plan_campaign
from autopack.model.states import RunState
from autopack.store import Database
from autopack.store.tables import runs

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)

Ended = Callable[..., str]


def plan(database: Database, name: str = "c", **more: Any) -> PlannedCampaign:
    """What `autopack replay --enable failure_hardening` would do, with other options."""
    options: dict[str, Any] = {
        "state": "FAILED",
        "since": None,
        "until": None,
        "run_ids": (),
        "campaign": None,
        "enable": ("failure_hardening",),
        "disable": (),
        "baseline": True,
        "token_cap": None,
        "push": None,
        "now": NOON,
        "home": Path("nowhere"),
    }
    return plan_campaign(database, name, **options | more)


def stored(database: Database, planned: PlannedCampaign) -> list[str]:
    """Store a campaign and its replays; their ids."""
    register(database, planned.campaign, token_cap=planned.token_cap)
    return store_replays(database, planned.campaign, planned.remotes, without=planned.without)


def end(database: Database, *run_ids: str, state: RunState = RunState.DONE_SUCCESS) -> None:
    """Let these runs have ended."""
    database.transact(
        lambda conn: conn.execute(
            sa.update(runs).where(runs.c.run_id.in_(run_ids)).values(state=state, finished_at=NOON)
        )
    )
