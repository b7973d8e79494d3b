"""Finished runs to choose from."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.campaigns import NOON, Ended
from support.projects import Project, git, make_project

from autopack.model.states import RunState
from autopack.store import Database
from autopack.store.runs import NewRun, create_run
from autopack.store.tables import runs

BODY = {
    "goal": "g",
    "phases": [{"id": "one", "tier": "T1", "instructions": "do", "validate": ["true"]}],
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project", {"one": [[]]})


@pytest.fixture
def ended(database: Database, project: Project) -> Ended:
    """Stores a run of the project that ended in a state at a time."""
    head = git(project.repository, "rev-parse", "HEAD").strip()

    def store(
        run_id: str,
        state: RunState = RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW,
        at: datetime = NOON,
        **more: Any,
    ) -> str:
        values: dict[str, Any] = {
            "run_id": run_id,
            "plan_hash": "a" * 64,
            "plan_body": BODY,
            "goal": "g",
            "repo": str(project.repository),
            "base_commit": head,
            "branch": f"autopack/{run_id}",
            "builder": "script",
            "builder_options": {"recording": str(project.recording)},
            "model": "m",
            "models": {"builder": "m"},
            "features": ("phase6_metrics",),
            "token_cap": 1_000,
            "cost_cap": None,
            "minutes_cap": 60,
            "at_cap": "fail",
        }
        create_run(database, NewRun(**values | more), [("one", "T1")])
        database.transact(
            lambda conn: conn.execute(
                sa.update(runs)
                .where(runs.c.run_id == run_id)
                .values(state=state, finished_at=at if state.is_final else None)
            )
        )
        return run_id

    return store
