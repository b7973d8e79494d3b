"""What is said, and what is refused, before the first pair of an experiment is paid for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.experiments import Trial, agent, make_trial
from support.projects import git, make_remote

from autopack.clock import SystemClock
from autopack.experiments.design.cautions import (
    cautions,
    fewest_to_stop,
    phases_needed,
    smallest_margin,
)
from autopack.experiments.design.registration import Registered, register_experiment
from autopack.experiments.statistics.sequential import STOPPING_E
from autopack.model.errors import AutopackError, BadInput
from autopack.runs.prepare.prepare import prepare_run
from autopack.settings import Settings
from autopack.store.experiment_records import get_pairs, get_test
from autopack.store.tables.experiments import ab_pairs, ab_tests


@pytest.fixture
def engine_name() -> str:
    return "sqlite"


def trial(folder: Path, plans: int = 8, **more: Any) -> Trial:
    return make_trial(folder, plans=plans, control=agent(1), treatment=agent(1), **more)


def register(found: Trial, db: Any, **more: Any) -> Registered:
    return register_experiment(str(found.spec), db=db, home=found.spec.with_name("home"), **more)


def said(found: Trial, db: Any) -> str:
    return "\n".join(cautions(register(found, db)))


def test_numbers_that_decide_what_can_be_reached() -> None:
    assert (phases_needed(0.10), phases_needed(0.10, 0.05)) == (36, 25)
    # 0.9 to the 36th is the first power below 2.5%
    assert [smallest_margin(n) for n in (35, 36)] == [0.11, 0.10]
    assert fewest_to_stop() == 8
    assert (1 + 7 / 4) ** 3 < STOPPING_E < (1 + 8 / 4) ** 3.5


@pytest.mark.parametrize(
    ("design", "caution"),
    [
        (
            {"plans": 12},
            "that takes 36 phases (25 with margin_alpha: 0.05), and this experiment has 12; add",
        ),
        ({"plans": 12, "phases": 3}, None),
        ({"plans": 12, "ni_margin": 0.28}, None),
        ({"plans": 12, "replicates": 3, "max_pairs": 20}, "this experiment has 12"),
        ({"plans": 7, "phases": 4}, "7 plans can never stop early"),
        ({"plans": 6, "phases": 9}, "it can only end INSUFFICIENT"),
        # nothing begins once 14 % of the budget are spent, however little pairs need
        ({"plans": 9, "phases": 3, "budget": {"tokens": 232_500}}, "once 14% of the budget"),
        ({"plans": 9, "phases": 4, "budget": {"tokens": 500_000}}, None),
    ],
)
def test_a_design_that_cannot_answer_is_cautioned(
    database: Any, tmp_path: Path, design: dict[str, Any], caution: str | None
) -> None:
    found = said(trial(tmp_path, **design), database)
    assert found == "" if caution is None else caution in found


@pytest.mark.parametrize(
    ("feature", "caution"),
    [
        ("plan_normalization", "can never act"),
        ("phase6_metrics", "only records"),
        ("intention_context", "tells agents something in 0 of 8 plans"),
        ("failure_hardening", None),
    ],
)
def test_a_treatment_that_cannot_act_is_cautioned(
    database: Any, tmp_path: Path, feature: str, caution: str | None
) -> None:
    same = {"spec": "control.yaml", "seed": "1"}
    found = said(
        trial(
            tmp_path,
            phases=5,
            instead={
                "control": {"options": same, "features": []},
                "treatment": {"options": same, "features": [feature]},
            },
        ),
        database,
    )
    assert found == "" if caution is None else caution in found


@pytest.mark.parametrize("arm", ["control", "treatment"])
def test_a_declared_feature_that_is_forced_off_is_refused(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arm: str
) -> None:
    monkeypatch.setenv("AUTOPACK_ENABLE_FAILURE_HARDENING", "off")
    options = {"spec": "control.yaml", "seed": "1"}
    arms: dict[str, Any] = {
        name: {"options": options, "features": []} for name in ("control", "treatment")
    }
    arms[arm] = {"options": options, "features": ["failure_hardening"]}
    with pytest.raises(BadInput, match="forced off by AUTOPACK_ENABLE_FAILURE") as refused:
        register(trial(tmp_path, instead=arms), database)
    assert refused.value.field == f"{arm}.features"


def test_a_model_without_a_price_is_refused_under_a_cap_on_money(
    database: Any, tmp_path: Path
) -> None:
    found = make_trial(
        tmp_path,
        plans=2,
        control=agent(1) | {"model": "nobody-1", "provider": "nobody"},
        treatment=agent(1),
        budget={"cost": 3},
    )
    with pytest.raises(BadInput, match="price of nobody-1 is not known") as refused:
        register(found, database)
    assert refused.value.field == "budget.cost"


def test_the_branch_of_any_pair_is_looked_for(database: Any, tmp_path: Path) -> None:
    first = register(trial(tmp_path / "a"), database)
    last = get_pairs(database, first.test_id)[-1]
    found = trial(tmp_path / "b", name="other")
    probe = register(found, database)
    ids = [run_id for pair in get_pairs(database, probe.test_id) for run_id in pair.runs]
    git(found.repository, "branch", f"autopack/{ids[-1]}")
    with pytest.raises(AutopackError, match=f"branch autopack/{ids[-1]}"):
        register(found, database)
    assert last.treatment_run_id != ids[-1]


def test_the_branch_of_any_pair_is_looked_for_in_a_remote(database: Any, tmp_path: Path) -> None:
    found = trial(tmp_path)
    bare = make_remote(found.repository)
    probe = register(found, database)
    last = get_pairs(database, probe.test_id)[-1].control_run_id
    git(found.repository, "push", "-q", str(bare), f"HEAD:refs/heads/autopack/{last}")
    with pytest.raises(BadInput, match=last) as refused:
        register(found, database, push=str(bare))
    assert refused.value.field == "push"


def test_the_id_of_any_run_is_looked_for(database: Any, tmp_path: Path) -> None:
    found = trial(tmp_path)
    other = register(trial(tmp_path / "other", name="other"), database)
    # what it will be called is known from what it is
    probe = register_experiment(str(found.spec), db=database, home=tmp_path)
    pair = get_pairs(database, probe.test_id)[-1]
    settings = Settings(tmp_path / "home", "")
    prepare_run(probe.request(pair, "control"), db=database, settings=settings, clock=SystemClock())

    def forget(conn: sa.Connection) -> None:
        for table in (ab_pairs, ab_tests):
            conn.execute(sa.delete(table).where(table.c.test_id == probe.test_id))

    database.transact(forget)
    with pytest.raises(BadInput, match=f"a run {pair.control_run_id} already") as refused:
        register(found, database)
    assert refused.value.field == "name"
    assert get_test(database, other.test_id).finished_at is None
