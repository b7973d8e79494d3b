"""Runs that are recorded as if they had ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from autopack.clock import SystemClock
from autopack.ledger.events.usage_events import record_events
from autopack.model.fingerprint import digest, feature_hash, model_mapping
from autopack.model.states import PhaseState, RunState
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.settings import Settings
from autopack.store import tables
from autopack.store.runs import get_run
from autopack.store.tables.experiments import run_fingerprints
from autopack.store.usage_event import UsageEvent
from support.projects import Project, call, make_project

Ran = Callable[..., str]


@pytest.fixture
def projects(tmp_path: Path) -> list[Project]:
    return [
        make_project(
            tmp_path / str(number),
            {"one": [[call(1)]], "two": [[call(1)]]},
            plan={"goal": f"Goal {number}", "features": ["consolidated_metrics"]},
        )
        for number in range(2)
    ]


@pytest.fixture
def ran(database: Any, tmp_path: Path, projects: list[Project]) -> Ran:
    """Records a run as if it had ended."""

    def record(
        run_id: str,
        tokens: int,
        *,
        plan: int = 0,
        state: RunState = RunState.DONE_SUCCESS,
        model: str | None = None,
        enable: tuple[str, ...] = (),
        doctor: int = 0,
        **changes: Any,
    ) -> str:
        project = projects[plan]
        request = RunRequest(
            plan=str(project.plan),
            repo=str(projects[0].repository),
            builder_options={"recording": str(project.recording)},
            run_id=run_id,
            model=model,
            enable=enable,
        )
        settings = Settings(tmp_path / "home", "")
        prepare_run(request, db=database, settings=settings, clock=SystemClock())
        run = get_run(database, run_id)
        start = run.created_at
        phases, runs = tables.phases, tables.runs
        models = model_mapping(run.models, run.model)
        fingerprint: dict[str, Any] = {
            "commit_sha": run.base_commit,
            "tree_hash": "t",
            "dirty": False,
            "run_spec_hash": run.plan_hash,
            "environment_hash": "e",
            "platform": "p",
            "settings": {},
            "autopack_version": "1",
            "repo_url": run.repo,
            "builder": run.builder,
            "builder_options": run.builder_options,
            "option_files": {},
            "models": models,
            "model_mapping_hash": digest(models),
            "features": list(run.features),
            "feature_hash": feature_hash(run.features),
            "token_cap": run.token_cap,
            "at_cap": run.at_cap,
            "timestamp": start,
        } | changes
        done = PhaseState.COMPLETE if state is RunState.DONE_SUCCESS else PhaseState.FAILED
        calls = [("builder", tokens - doctor), ("doctor", doctor)]
        events = [
            UsageEvent(
                event_key=f"{run_id}-{role}",
                run_id=run_id,
                phase_id="one",
                attempt=1,
                provider="p",
                model="m",
                role=role,  # pyright: ignore[reportArgumentType]
                category="base",
                total_tokens=amount,
                is_doctor_call=role == "doctor",
            )
            for role, amount in calls
            if amount
        ]

        def write(conn: sa.Connection) -> None:
            conn.execute(
                sa.update(runs)
                .where(runs.c.run_id == run_id)
                .values(state=state, started_at=start, finished_at=start + timedelta(seconds=9))
            )
            conn.execute(sa.update(phases).where(phases.c.run_id == run_id).values(state=done))
            conn.execute(
                sa.update(phases)
                .where(phases.c.run_id == run_id, phases.c.phase_id == "one")
                .values(state=PhaseState.COMPLETE)
            )
            conn.execute(sa.insert(run_fingerprints).values(run_id=run_id, **fingerprint))
            record_events(conn, events)

        database.transact(write)
        return run_id

    return record
