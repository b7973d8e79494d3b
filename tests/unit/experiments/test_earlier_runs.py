"""Which recorded runs count as earlier controls of a registered experiment, on both engines."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.campaigns import close
from support.experiments import agent, make_trial

from autopack.experiments.concluding import analysed, judge
from autopack.experiments.design.earlier_runs import earlier_controls
from autopack.experiments.design.registration import Registered, register_experiment
from autopack.model.states import RunState
from autopack.store.database.engine import Database
from autopack.store.experiment_records import PairRow, get_pairs, get_test
from autopack.store.rows import NewRun
from autopack.store.runs import create_run
from autopack.store.tables import runs
from autopack.store.tables.experiments import ab_pairs, run_fingerprints

PLANS = 8


class Past:
    """An experiment that was registered just now, and runs that are written beside it."""

    def __init__(self, db: Database, folder: Path) -> None:
        self.db = db
        trial = make_trial(
            folder,
            plans=PLANS,
            control=agent(1),
            treatment=agent(1),
            instead={
                "both": {"builder": "simulated", "options": {"spec": "control.yaml"}},
                "control": {"features": []},
                "treatment": {"features": ["failure_hardening"]},
                "earlier_days": 30,
            },
        )
        self.registered: Registered = register_experiment(
            str(trial.spec), db=db, home=folder / "home"
        )
        self.registered_at: datetime = get_test(db, self.registered.test_id).created_at
        self.pairs: list[PairRow] = get_pairs(db, self.registered.test_id)
        for pair in self.pairs:
            self.run(pair.control_run_id, pair, days=-1, tokens=1000 + pair.number)
            self.run(
                pair.treatment_run_id,
                pair,
                days=-1,
                tokens=600 + 2 * pair.number,
                features=("failure_hardening",),
            )

    def run(
        self,
        run_id: str,
        pair: PairRow,
        *,
        days: float,
        tokens: int,
        features: tuple[str, ...] = (),
        state: RunState = RunState.DONE_SUCCESS,
        fingerprint: dict[str, Any] | None = None,
    ) -> None:
        """Let a run of a pair's plan have ended so many days before the registration."""
        plan = self.registered.plans[pair.plan_name]
        phase = plan.phases[0]
        values: dict[str, Any] = {
            "run_id": run_id,
            "plan_hash": pair.plan_hash,
            "plan_body": plan.to_dict(),
            "goal": plan.goal,
            "repo": self.registered.repo,
            "base_commit": self.registered.commit,
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
        create_run(self.db, NewRun(**values), [(phase.id, phase.tier)])
        close(self.db, run_id, state, tokens=tokens)
        known = {"option_files": self.registered.files["control"], **(fingerprint or {})}
        ended = self.registered_at - timedelta(days=days)

        def write(conn: sa.Connection) -> None:
            conn.execute(sa.update(runs).where(runs.c.run_id == run_id).values(finished_at=ended))
            mine = run_fingerprints.c.run_id == run_id
            conn.execute(sa.update(run_fingerprints).where(mine).values(**known))

        self.db.transact(write)

    def found(self) -> dict[str, list[float]]:
        return earlier_controls(
            self.db, self.registered, judge(self.db, self.registered, self.pairs)
        )


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_which_runs_count_and_what_they_change(database: Database, tmp_path: Path) -> None:
    past = Past(database, tmp_path)
    one, other = past.pairs[0], past.pairs[1]
    past.run("yesterday", one, days=1, tokens=900)
    past.run("failed", one, days=2, tokens=950, state=RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW)
    past.run("too-old", one, days=31, tokens=1)
    past.run("later", one, days=-2, tokens=2)
    past.run("provider-away", one, days=1, tokens=3, state=RunState.DONE_FAILED_ENVIRONMENT)
    past.run("other-commit", one, days=1, tokens=4, fingerprint={"commit_sha": "f" * 40})
    past.run("other-model", one, days=1, tokens=5, fingerprint={"models": {"builder": "m"}})
    past.run("feature-on", one, days=1, tokens=6, features=("failure_hardening",))
    past.run("was-treatment", other, days=1, tokens=7)
    past.run("was-control", other, days=1, tokens=1100)
    elsewhere = {
        "test_id": past.registered.test_id,
        "number": 900,
        "plan_name": other.plan_name,
        "plan_hash": other.plan_hash,
        "replicate": 1,
        "first": "control",
        "control_run_id": "somebodys-control",
        "treatment_run_id": "was-treatment",
    }
    database.transact(lambda conn: conn.execute(sa.insert(ab_pairs).values(**elsewhere)))
    assert past.found() == {one.plan_name: [900.0, 950.0], other.plan_name: [1100.0]}

    # Plans enough, and the control side is estimated from all of them.
    for pair in past.pairs:
        past.run(f"again-{pair.number}", pair, days=3, tokens=1010 + 3 * pair.number)
    judged = judge(database, past.registered, past.pairs)
    protocol = past.registered.protocol
    with_them = analysed(judged, protocol, test_id="t", earlier=past.found())
    assert with_them.earlier_controls is not None
    assert with_them.earlier_controls.used
    assert (with_them.earlier_controls.plans, with_them.earlier_controls.runs) == (PLANS, 11)
    undeclared = replace(
        past.registered,
        declared=past.registered.declared.model_copy(update={"earlier_days": None}),
    )
    assert earlier_controls(database, undeclared, judged) == {}


def test_a_drift_since_then_turns_them_off(database: Database, tmp_path: Path) -> None:
    past = Past(database, tmp_path)
    for pair in past.pairs:
        for number in range(3):
            past.run(f"before-{pair.number}-{number}", pair, days=2 + number, tokens=3000 + number)
    judged = judge(database, past.registered, past.pairs)
    earlier = past.found()
    assert {len(amounts) for amounts in earlier.values()} == {3}
    found = analysed(judged, past.registered.protocol, test_id="t", earlier=earlier)
    plain = analysed(judged, past.registered.protocol, test_id="t", earlier={})
    assert found.earlier_controls is not None
    assert not found.earlier_controls.used
    assert "something drifted in between" in (found.earlier_controls.why_not or "")
    assert found.gmr == plain.gmr
