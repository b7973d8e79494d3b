"""Registering experiments: once, resolved, laid out by the seed; and their rows on each engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from support.experiments import Trial, agent, make_trial
from support.projects import git, make_remote

from autopack.experiments.design.cautions import cautions
from autopack.experiments.design.definition import Experiment, parse_experiment
from autopack.experiments.design.layout import ARM_NAMES, lay_out
from autopack.experiments.design.registration import Registered, register_experiment
from autopack.ledger.budget.budget_tree import campaign_level
from autopack.model.budget import Limits
from autopack.model.errors import AutopackError, BadInput, NotFound
from autopack.model.features import Feature
from autopack.store.experiment_records import (
    finish_pair,
    finish_test,
    get_pairs,
    get_results,
    get_test,
    record_result,
    start_pair,
)
from autopack.workspace.remote import Remote

BUDGET = {"tokens": 500_000, "minutes": 30}


def trial(folder: Path, **more: Any) -> Trial:
    return make_trial(folder, plans=3, control=agent(1), treatment=agent(1), **more)


def register(found: Trial, db: Any, **more: Any) -> Registered:
    home = found.spec.with_name("home")
    return register_experiment(str(found.spec), db=db, home=home, **more)


def test_an_experiment_is_registered_once(database: Any, tmp_path: Path) -> None:
    found = trial(tmp_path, budget=BUDGET, replicates=2)
    first = register(found, database)
    assert register(found, database) == first
    assert first.commit == git(found.repository, "rev-parse", "HEAD").strip()
    assert len(get_pairs(database, first.test_id)) == 6
    assert campaign_level(database, first.test_id).limits == Limits(tokens=500_000, minutes=30.0)


def test_one_that_is_under_way_keeps_its_commit_and_one_that_ended_does_not(
    database: Any, tmp_path: Path
) -> None:
    found = trial(tmp_path)
    first = register(found, database)
    git(found.repository, "commit", "-qm", "more", "--allow-empty")
    assert register(found, database).commit == first.commit
    finish_test(database, first.test_id, "enough")
    later = register(found, database)
    assert later.commit != first.commit
    assert later.test_id != first.test_id


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ("treatment", "treatment.prompt"),
        ("plans", "plans.plan-0.goal"),
    ],
)
def test_one_that_holds_a_key_is_refused_and_not_stored(
    where: str, field: str, database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "Zq8vTr2LmX9pKd4WnB7cYh5sGj3fRt6u"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    found = trial(tmp_path)
    file = found.spec if where == "treatment" else found.spec.with_name("plan-0.yaml")
    written = yaml.safe_load(file.read_text())
    place, name = (written["treatment"], "prompt") if where == "treatment" else (written, "goal")
    place[name] = f"log in with {key}"
    file.write_text(yaml.safe_dump(written))
    with pytest.raises(BadInput, match="holds a key") as refused:
        register(found, database)
    assert refused.value.field == field
    monkeypatch.delenv("OPENAI_API_KEY")
    register(found, database)


@pytest.fixture
def engine_name(request: pytest.FixtureRequest) -> str:
    """SQLite, but for tests of rows."""
    return getattr(request, "param", "sqlite")


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (("seed: 5", "seed: 6"), False),
        (("name: trial", "name: other"), False),
        (("concurrency: 1", "concurrency: 3"), True),
        (("builder: simulated", "builder:   simulated"), True),
    ],
)
def test_what_was_declared_decides_which_experiment_it_is(
    database: Any, tmp_path: Path, change: tuple[str, str], same: bool
) -> None:
    found = trial(tmp_path, seed=5, concurrency=1)
    first = register(found, database)
    text = found.spec.read_text()
    assert change[0] in text
    found.spec.write_text(text.replace(*change))
    assert (register(found, database).test_id == first.test_id) is same


def test_where_its_runs_are_pushed_is_no_part_of_it(database: Any, tmp_path: Path) -> None:
    found = trial(tmp_path)
    bare = make_remote(found.repository)
    first = register(found, database)
    [pair, *_] = get_pairs(database, first.test_id)
    assert first.request(pair, "control").push is None
    for push in ("central", str(bare)):
        again = register(found, database, push=push)
        assert again.test_id == first.test_id
        assert {again.request(pair, arm).push for arm in ARM_NAMES} == {Remote(push, str(bare))}


@pytest.mark.parametrize("push", ["nowhere", "central"])
def test_a_remote_that_takes_nothing_is_refused_before_it_is_registered(
    database: Any, tmp_path: Path, push: str
) -> None:
    found = trial(tmp_path, budget=BUDGET)
    make_remote(found.repository).rename(tmp_path / "away.git")
    with pytest.raises(BadInput) as refused:
        register(found, database, push=push)
    assert refused.value.field == "push"
    with database.read() as conn:
        for table in ("ab_tests", "budget_campaigns"):
            assert conn.scalar(sa.text(f"SELECT count(*) FROM {table}")) == 0


@pytest.mark.parametrize("which", ["plan-1.yaml", "treatment.yaml"])
def test_what_the_file_names_is_part_of_it(database: Any, tmp_path: Path, which: str) -> None:
    found = trial(tmp_path)
    first = register(found, database)
    path = tmp_path / which
    path.write_text(path.read_text().replace("Plan 1", "Another").replace("1.0", "0.9"))
    assert register(found, database).test_id != first.test_id


def test_a_registered_experiment_needs_no_file_any_more(database: Any, tmp_path: Path) -> None:
    found = trial(tmp_path)
    first = register(found, database)
    for path in found.plans:
        path.unlink()
    assert Registered.of(get_test(database, first.test_id)) == first


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"plans": ["plan-0.yaml", "gone.yaml"]}, "plan"),
        ({"plans": ["plan-0.yaml", "./plan-0.yaml"]}, "plans[1]"),
        ({"repo": "nowhere"}, "repo"),
        ({"commit": "nothing"}, "commit"),
        ({"budget": {"tokens": 199_999}}, "budget.tokens"),
        ({"treatment": {"builder": "nobody"}}, "treatment.builder"),
        ({"treatment": {"options": {"luck": "1"}}}, "treatment.set"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_before_it_is_registered(
    database: Any, tmp_path: Path, change: dict[str, Any], field: str
) -> None:
    found = trial(tmp_path, instead=change)
    with pytest.raises(AutopackError) as caught:
        register(found, database)
    assert isinstance(caught.value, BadInput)
    assert caught.value.field == field
    with database.read() as conn:
        assert conn.scalar(sa.text("SELECT count(*) FROM ab_tests")) == 0


@pytest.mark.parametrize(
    "change",
    [
        ("instructions:", "approval: true\n  instructions:"),
        ("goal:", "policy: {drift: block}\ngoal:"),
    ],
)
def test_a_plan_that_waits_for_a_person_is_refused(
    database: Any, tmp_path: Path, change: tuple[str, str]
) -> None:
    found = trial(tmp_path)
    found.plans[2].write_text(found.plans[2].read_text().replace(*change))
    with pytest.raises(BadInput, match="may wait for a person"):
        register(found, database)


def test_too_few_plans_and_arms_alike_are_said_before_anything_is_spent(
    database: Any, tmp_path: Path
) -> None:
    found = trial(tmp_path)
    few = cautions(register(found, database))
    assert "it can only end INSUFFICIENT" in few[0]
    text = found.spec.read_text()
    found.spec.write_text(text.replace("treatment.yaml", "control.yaml").replace("2{p", "1{p"))
    alike = cautions(register(found, database))
    assert "do not differ" in alike[1]


def experiment(**more: Any) -> Experiment:
    base = {"plans": ["a", "b", "c", "d"], "repo": ".", "treatment": {}}
    return Experiment.model_validate(base | more)


def laid_out(**more: Any) -> list[tuple[str, int, str]]:
    pairs = lay_out(experiment(**more), dict.fromkeys("abcd", "h"), "t")
    return [(pair.plan_name, pair.replicate, pair.first) for pair in pairs]


def test_every_plan_comes_once_before_any_comes_again() -> None:
    pairs = laid_out(replicates=3)
    for round_ in range(3):
        block = pairs[4 * round_ : 4 * round_ + 4]
        assert sorted(block_[0] for block_ in block) == list("abcd")
        assert {replicate for _, replicate, _ in block} == {round_ + 1}


def test_the_seed_decides_order_and_first_arm() -> None:
    assert laid_out(replicates=9, seed=1) == laid_out(replicates=9, seed=1)
    assert laid_out(replicates=9, seed=1) != laid_out(replicates=9, seed=2)
    assert laid_out(replicates=9, max_pairs=5) == laid_out(replicates=9)[:5]


def test_each_arm_is_first_about_half_of_the_time() -> None:
    firsts = Counter(first for _, _, first in laid_out(replicates=250))
    assert 440 < firsts["control"] < 560
    assert {first for _, _, first in laid_out(arms="together")} == {"together"}


def test_the_runs_of_a_pair_are_what_was_declared(database: Any, tmp_path: Path) -> None:
    found = trial(
        tmp_path,
        both={"builder": "simulated", "prompt": "Be brief.", "budget": {"tokens": 9000}},
    )
    text = found.spec.read_text().replace(
        "seed: 2{pair}", "seed: 2{pair}\n  features: [phase6_metrics]"
    )
    found.spec.write_text(text)
    registered = register(found, database)
    pair = get_pairs(database, registered.test_id)[1]
    control, treatment = registered.request(pair, "control"), registered.request(pair, "treatment")
    assert (control.builder, control.prompt, control.token_cap) == ("simulated", "Be brief.", 9000)
    assert control.builder_options["seed"] == "12"
    assert treatment.builder_options["seed"] == "22"
    assert control.builder_options["spec"] == str(tmp_path / "control.yaml")
    assert (control.enable, control.disable) == ((), ())
    assert treatment.enable == ("phase6_metrics",)
    assert set(treatment.disable) == set(Feature) - {"phase6_metrics"}
    assert control.run_id == f"{registered.test_id}-0002-control"
    assert registered.reserve(pair) == 18_000


ON_BOTH = pytest.mark.parametrize("engine_name", ["sqlite", "postgresql"], indirect=True)


@ON_BOTH
def test_pairs_hold_their_budget_until_they_end(database: Any, tmp_path: Path) -> None:
    registered = register(trial(tmp_path), database)
    first, second, third = get_pairs(database, registered.test_id)
    assert start_pair(database, first, reserve=60, cap=100)
    assert start_pair(database, first, reserve=60, cap=100)  # it holds that already
    assert not start_pair(database, second, reserve=60, cap=100)
    assert start_pair(database, second, reserve=40, cap=100)
    assert start_pair(database, third, reserve=10**9, cap=None)
    finish_pair(database, first.test_id, 1, is_valid=False, warnings=["w"], errors=["e"])
    finish_pair(database, first.test_id, 1, is_valid=True, warnings=[], errors=[])
    stored = get_pairs(database, first.test_id)[0]
    assert (stored.is_valid, stored.warnings, stored.errors) == (False, ["w"], ["e"])


@ON_BOTH
def test_an_experiment_ends_once(database: Any, tmp_path: Path) -> None:
    registered = register(trial(tmp_path), database)
    finish_test(database, registered.test_id, "first")
    finish_test(database, registered.test_id, "second")
    assert get_test(database, registered.test_id).stop_reason == "first"
    assert replace(registered, finished=True, stop_reason="first") == Registered.of(
        get_test(database, registered.test_id)
    )
    with pytest.raises(NotFound):
        get_test(database, "nothing")


@ON_BOTH
def test_a_result_is_kept_once_for_each_set_of_inputs(database: Any) -> None:
    report = {
        "test_id": "t",
        "input_hash": "1",
        "protocol_hash": "p",
        "decision": "SAVES",
        "sentence": "s",
        "n_pairs": 9,
        "n_void": 0,
    }
    for values in (report, report | {"sentence": "again"}, report | {"input_hash": "2"}):
        record_result(database, values)
    assert [one["sentence"] for one in get_results(database, "t")] == ["s", "s"]


def test_a_text_is_read_as_from_the_working_folder(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = trial(tmp_path)
    monkeypatch.chdir(tmp_path)
    inline = register_experiment(found.spec.read_text(), db=database, home=tmp_path)
    assert inline == register(found, database)
    assert parse_experiment(found.spec.read_text()).name == "trial"
