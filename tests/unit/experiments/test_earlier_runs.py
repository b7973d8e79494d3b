"""Which recorded runs count as earlier controls of a registered experiment, on both engines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.experiments import agent, make_trial
from support.recorded_runs import DECLARED, record_run

from autopack.experiments.concluding import analysed, judge
from autopack.experiments.design.earlier_runs import earlier_controls
from autopack.experiments.design.registration import Registered, register_experiment
from autopack.model.states import RunState
from autopack.store.database.engine import Database
from autopack.store.experiment_records import PairRow, get_pairs
from autopack.store.tables.experiments import ab_pairs

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
            instead={**DECLARED, "earlier_days": 30},
        )
        self.registered: Registered = register_experiment(
            str(trial.spec), db=db, home=folder / "home"
        )
        self.pairs: list[PairRow] = get_pairs(db, self.registered.test_id)
        for pair in self.pairs:
            self.run(pair.control_run_id, pair, tokens=1000 + pair.number)
            on = ("failure_hardening",)
            self.run(pair.treatment_run_id, pair, tokens=600 + 2 * pair.number, features=on)

    def run(self, run_id: str, pair: PairRow, **more: Any) -> None:
        record_run(self.db, self.registered, pair, run_id, **more)

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
