"""Replay campaigns planned and stored without an engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from autopack.campaigns.lanes import register, store_replays
from autopack.campaigns.planning import PlannedCampaign, ReplayRequest, plan_campaign
from autopack.ledger.events.usage_events import record_events
from autopack.model.fingerprint import digest, feature_hash
from autopack.model.states import PhaseState, RunState
from autopack.store import tables
from autopack.store.database.engine import Database
from autopack.store.reading import get_run
from autopack.store.tables import runs
from autopack.store.tables.experiments import run_fingerprints
from autopack.store.usage_event import UsageEvent

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)

Ended = Callable[..., str]


def plan(database: Database, name: str = "c", **more: Any) -> PlannedCampaign:
    """What `autopack replay --enable failure_hardening` would do, with other options."""
    options: dict[str, Any] = {"enable": ("failure_hardening",), "now": NOON} | more
    now, home = options.pop("now"), options.pop("home", Path("nowhere"))
    return plan_campaign(database, name, ReplayRequest(**options), now=now, home=home)


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


def close(
    database: Database, run_id: str, state: RunState, *, met: bool = False, tokens: int = 100
) -> None:
    """Let a run have ended, with all that is recorded of one."""
    run = get_run(database, run_id)
    failed = state.is_failure
    away = state is RunState.DONE_FAILED_ENVIRONMENT
    cause = ("provider_error" if away else "assertion_failure") if failed else None
    values: dict[str, Any] = {
        "run_id": run_id,
        "commit_sha": run.base_commit,
        "tree_hash": "t",
        "run_spec_hash": run.plan_hash,
        "environment_hash": "e",
        "platform": "p",
        "settings": {},
        "autopack_version": "1",
        "repo_url": run.repo,
        "builder": run.builder,
        "builder_options": {},
        "option_files": {},
        "models": run.models,
        "model_mapping_hash": digest(run.models),
        "features": list(run.features),
        "feature_hash": feature_hash(run.features),
        "token_cap": run.token_cap,
        "at_cap": run.at_cap,
        "timestamp": NOON,
    }
    event = UsageEvent(
        event_key=run_id,
        run_id=run_id,
        phase_id="one",
        attempt=1,
        provider="p",
        model="m",
        role="builder",
        category="base",
        total_tokens=tokens,
    )
    mitigation: dict[str, Any] = {
        "run_id": run_id,
        "phase_id": "one",
        "attempt": 1,
        "pattern_id": "p",
        "success": True,
        "fixed": True,
        "actions_taken": [],
        "suggestions": [],
        "doctor_call_skipped": False,
        "created_at": NOON,
    }

    def write(conn: sa.Connection) -> None:
        runs, phases = tables.runs, tables.phases
        conn.execute(
            sa.update(runs).where(runs.c.run_id == run_id).values(state=state, finished_at=NOON)
        )
        conn.execute(
            sa.update(phases)
            .where(phases.c.run_id == run_id)
            .values(state=PhaseState.FAILED if failed else PhaseState.COMPLETE, failure_cause=cause)
        )
        conn.execute(sa.insert(run_fingerprints).values(values))
        record_events(conn, [event])
        if met:
            conn.execute(sa.insert(tables.mitigations).values(mitigation))

    database.transact(write)
