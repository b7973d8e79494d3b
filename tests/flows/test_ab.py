"""Experiments from their file to their verdict, through Prefect."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.carried_pairs import carry_out_pair
from support.experiments import agent, make_trial

from autopack.clock import SystemClock
from autopack.experiments.design.registration import register_experiment
from autopack.ledger.budget.budget_tree import campaign_level
from autopack.ledger.consolidated import consolidated_tokens
from autopack.model.errors import BadInput
from autopack.model.states import RunState
from autopack.runs.finish.finish import end_abandoned
from autopack.runs.prepare.prepare import prepare_run
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.experiment_records import get_pairs, get_results, get_test
from autopack.store.fingerprints import get_fingerprints
from autopack.store.reading import get_attempts, list_runs


async def experiment(spec: Path | str, **more: Any) -> dict[str, Any]:
    from flows import ab_experiment

    return await ab_experiment(spec=str(spec), **more)


@pytest.fixture
def db(home: Path) -> Any:
    opened = Database.open(os.environ["DATABASE_URL"])
    yield opened
    opened.close()


@pytest.mark.slow
@pytest.mark.parametrize("engine_name", ["sqlite", "postgresql"])
async def test_pairs_are_run_judged_and_reported(home: Path, db: Any, tmp_path: Path) -> None:
    trial = make_trial(
        tmp_path,
        plans=2,
        control=agent(1000, sigma=0),
        treatment=agent(600, sigma=0),
        features=["consolidated_metrics"],
        budget={"tokens": 1_000_000},
    )

    report = await experiment(trial.spec)

    assert report["decision"] == "INSUFFICIENT"  # two plans can show nothing
    assert (report["n_pairs"], report["n_void"], report["finished"]) == (2, 0, True)
    assert report["gmr"] == pytest.approx(0.6)
    test_id = report["test_id"]
    assert get_test(db, test_id).stop_reason == "all 2 planned pairs were run"
    pairs = get_pairs(db, test_id)
    assert [pair.is_valid for pair in pairs] == [True, True]
    for pair in pairs:
        fingerprints = get_fingerprints(db, pair.runs)
        control, treatment = (fingerprints[run_id] for run_id in pair.runs)
        assert control.commit_sha == treatment.commit_sha == report["metadata"]["commit_sha"]
        assert control.environment_hash == treatment.environment_hash
        started = [get_attempts(db, run_id)[0].started_at for run_id in pair.runs]
        assert (started[0] < started[1]) == (pair.first == "control")
        # what a valid pair measured is the saving of its treatment run, and of that alone
        saved = [consolidated_tokens(db, run_id).claimed for run_id in pair.runs]
        assert [one and one.ab_tokens_saved_measured for one in saved] == [None, 400]
    assert campaign_level(db, test_id).spent.tokens == 3200
    assert [one["sentence"] for one in get_results(db, test_id)] == [report["sentence"]]
    kept = json.loads((home / "reports" / test_id / "report.json").read_text())
    assert kept == report
    assert {path.name for path in (home / "reports" / test_id).iterdir()} >= {
        "report.md",
        "report.html",
        "pairs.svg",
    }
    await _artifact_tells(test_id, report["sentence"])
    # asking again runs nothing and keeps nothing twice
    assert await experiment(trial.spec) == report
    assert len(list_runs(db).rows) == 4
    assert len(get_results(db, test_id)) == 1


async def _artifact_tells(test_id: str, sentence: str) -> None:
    from prefect.artifacts import Artifact

    artifact = await Artifact.aget(f"autopack-ab-{test_id}")
    assert artifact is not None
    assert artifact.description == sentence
    assert len(str(artifact.data)) < 1_000_000
    assert str(artifact.data).count("data:image/svg+xml;base64,") == 5


# What differs between the engines is shown by the test above.
ON_SQLITE = pytest.mark.parametrize("engine_name", ["sqlite"])


@ON_SQLITE
@pytest.mark.slow
async def test_arms_may_run_side_by_side_and_pairs_at_once(
    home: Path, db: Any, tmp_path: Path
) -> None:
    trial = make_trial(
        tmp_path, plans=2, control=agent(100), treatment=agent(100), arms="together", concurrency=2
    )
    report = await experiment(trial.spec)
    assert report["arm_order"]["together"] == 2
    assert [pair["runs"]["is_valid"] for pair in report["pairs"]] == [True, True]


@ON_SQLITE
@pytest.mark.full
async def test_arms_may_run_in_processes_of_their_own(home: Path, db: Any, tmp_path: Path) -> None:
    trial = make_trial(tmp_path, plans=1, control=agent(100), treatment=agent(100))
    report = await experiment(trial.spec, executor="process")
    assert [pair["runs"]["is_valid"] for pair in report["pairs"]] == [True]
    [pair] = get_pairs(db, report["test_id"])
    assert all((home / "runs" / run_id / "process.log").exists() for run_id in pair.runs)


@ON_SQLITE
async def test_a_pair_that_the_budget_has_no_room_for_is_not_begun(
    home: Path, db: Any, tmp_path: Path
) -> None:
    trial = make_trial(
        tmp_path,
        plans=3,
        control=agent(60_000, sigma=0),
        treatment=agent(60_000, sigma=0),
        budget={"tokens": 300_000},
    )
    report = await experiment(trial.spec)
    assert report["n_pairs"] == 1
    assert report["stop_reason"] == "the budget of the experiment left no room for pair 2"
    assert report["stop_reason"] in report["warnings"]
    assert len(list_runs(db).rows) == 2


@ON_SQLITE
async def test_a_budget_of_money_stops_between_pairs_and_more_of_it_goes_on(
    home: Path, db: Any, tmp_path: Path
) -> None:
    priced = agent(1_000, sigma=0) | {"model": "claude-haiku-4-5", "provider": "anthropic"}
    trial = make_trial(tmp_path, plans=3, control=priced, treatment=priced, budget={"cost": 0.003})
    report = await experiment(trial.spec)  # a pair costs two thousandths
    assert (report["n_pairs"], report["n_void"]) == (1, 0)
    assert report["decision"] == "INSUFFICIENT"
    assert report["stop_reason"] == "the budget of the experiment left no room for pair 2"
    more = await experiment(trial.spec, add_budget="cost=0.001")
    assert (more["n_pairs"], more["n_void"]) == (2, 0)
    assert more["test_id"] == report["test_id"]


@ON_SQLITE
@pytest.mark.slow
async def test_a_void_pair_is_run_again_while_there_is_room(
    home: Path, db: Any, tmp_path: Path
) -> None:
    trial = make_trial(tmp_path, plans=5, control=agent(100), treatment=agent(100))
    registered = register_experiment(str(trial.spec), db=db, home=home)
    first = get_pairs(db, registered.test_id)[0]
    settings = Settings.from_environment()
    for pair in get_pairs(db, registered.test_id)[1:]:
        await carry_out_pair(registered, pair, db, settings)
    request = registered.request(first, "control")
    prepare_run(request, db=db, settings=settings, clock=SystemClock())
    end_abandoned(
        first.control_run_id,
        RunState.DONE_FAILED_ENVIRONMENT,
        "the machine was away",
        db=db,
        settings=settings,
        clock=SystemClock(),
    )
    report = await experiment(trial.spec)
    assert (report["n_pairs"], report["n_void"]) == (5, 0)
    assert report["stop_reason"] == "all 5 planned pairs were run, and 1 void pair again"
    [said] = [text for text in report["warnings"] if "run again" in text]
    assert said.startswith("pair 1 was run again as another pair: infrastructure failure")
    assert [pair.replaces for pair in get_pairs(db, report["test_id"])] == [*[None] * 5, 1]


@ON_SQLITE
async def test_an_arm_that_infrastructure_ended_makes_its_pair_void(
    home: Path, tmp_path: Path
) -> None:
    broken = agent(100) | {"error": 1.0}
    # For so long an arm waits for its provider.
    trial = make_trial(
        tmp_path, plans=1, control=agent(100), treatment=broken, attempts=1, minutes=0.05
    )
    report = await experiment(trial.spec)
    assert report["decision"] == "INVALID"
    assert report["void_reasons"] == {"infrastructure failure in treatment": 1}


@pytest.mark.parametrize("spec", ["", " \n"])
async def test_an_experiment_without_its_file_is_refused(home: Path, spec: str) -> None:
    from flows import ab_experiment

    with pytest.raises(BadInput, match="fill in the field spec") as refused:
        await ab_experiment(spec)
    assert refused.value.field == "spec"


@ON_SQLITE
async def test_what_cannot_be_run_is_refused_before_anything_is(
    home: Path, db: Any, tmp_path: Path
) -> None:
    trial = make_trial(tmp_path, plans=1, control=agent(10), treatment=agent(10))
    trial.spec.write_text(trial.spec.read_text().replace("spec: treatment.yaml", "spec: none.yaml"))
    with pytest.raises(BadInput, match="treatment"):
        await experiment(trial.spec)
    with db.read() as conn:
        assert conn.scalar(sa.text("SELECT count(*) FROM ab_tests")) == 0


@ON_SQLITE
@pytest.mark.slow
async def test_a_true_saving_ends_early(home: Path, db: Any, tmp_path: Path) -> None:
    # A wide margin, for a few runs of one phase can show no more of success than that. Eight
    # pairs are the fewest after which any e-value reaches 33.3; the first seven need no engine.
    trial = make_trial(
        tmp_path,
        plans=12,
        control=agent(1000, sigma=0.02),
        treatment=agent(600, sigma=0.02),
        ni_margin=0.40,
        seed=1,
    )
    registered = register_experiment(str(trial.spec), db=db, home=home)
    for pair in get_pairs(db, registered.test_id)[:7]:
        await carry_out_pair(registered, pair, db, Settings.from_environment())
    report = await experiment(trial.spec)
    assert report["decision"] == "SAVES"
    assert report["n_pairs"] == report["stopped_at"] == 8
    assert report["stop_reason"] == "the evidence sufficed after 8 of 12 planned pairs"
    assert report["ci"]["lo"] < 0.6 < report["ci"]["hi"] < 1
