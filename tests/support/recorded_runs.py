"""Runs of an experiment's plans as they are recorded, without carrying them out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from autopack.experiments.design.registration import Registered
from autopack.model.states import RunState
from autopack.store.database.engine import Database
from autopack.store.experiment_records import PairRow, get_test
from autopack.store.rows import NewRun
from autopack.store.runs import create_run
from autopack.store.tables import runs
from autopack.store.tables.experiments import run_fingerprints
from support.campaigns import close

# Of an experiment with these arms, runs match what was declared.
DECLARED = {
    "both": {"builder": "simulated", "options": {"spec": "control.yaml"}},
    "control": {"features": []},
    "treatment": {"features": ["failure_hardening"]},
}


def record_run(
    db: Database,
    registered: Registered,
    pair: PairRow,
    run_id: str,
    *,
    tokens: int,
    days: float = -1,
    features: tuple[str, ...] = (),
    state: RunState = RunState.DONE_SUCCESS,
    fingerprint: dict[str, Any] | None = None,
) -> None:
    """Let a run of a pair's plan have ended so many days before the registration."""
    plan = registered.plans[pair.plan_name]
    phase = plan.phases[0]
    values: dict[str, Any] = {
        "run_id": run_id,
        "plan_hash": pair.plan_hash,
        "plan_body": plan.to_dict(),
        "goal": plan.goal,
        "repo": registered.repo,
        "base_commit": registered.commit,
        "branch": f"autopack/{run_id}",
        "builder": "simulated",
        "builder_options": {},
        "model": None,
        "models": {},
        "features": features,
        "token_cap": plan.budget.tokens,
        "cost_cap": None,
        "minutes_cap": 60,
        "at_cap": "fail",
    }
    create_run(db, NewRun(**values), [(phase.id, phase.tier)])
    close(db, run_id, state, tokens=tokens)
    known = {"option_files": registered.files["control"], **(fingerprint or {})}
    ended = get_test(db, registered.test_id).created_at - timedelta(days=days)

    def write(conn: sa.Connection) -> None:
        conn.execute(sa.update(runs).where(runs.c.run_id == run_id).values(finished_at=ended))
        mine = run_fingerprints.c.run_id == run_id
        conn.execute(sa.update(run_fingerprints).where(mine).values(**known))

    db.transact(write)
