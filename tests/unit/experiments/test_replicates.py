"""Second pairs go to discordant plans by a registered rule, and bend no estimate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.experiments import agent, make_trial
from support.recorded_runs import DECLARED, record_run

from autopack.experiments.analysis import analyse
from autopack.experiments.concluding import enough
from autopack.experiments.design.registration import Registered, register_experiment
from autopack.experiments.pairs.pairs_reading import table_of
from autopack.experiments.replicating import plan_replicates
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.statistics.replicates import Replicated, is_replicated, weight
from autopack.model.errors import SpecError
from autopack.model.states import RunState
from autopack.store.experiment_records import finish_pair, get_pairs, get_test

OTHERS = 0.5
GOOD, BAD = RunState.DONE_SUCCESS, RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW


def test_the_estimate_of_every_plan_is_unbiased() -> None:
    """A success difference and a log ratio that goes with it, for a plan with a true loss."""
    random = np.random.default_rng(2)
    plans = 40_000
    x, y = (np.where(random.random(plans) < 0.3, -1.0, 0.0) for _ in range(2))
    d, e = (0.5 * z + random.normal(0, 0.3, plans) for z in (x, y))
    again = (x != 0) | (random.random(plans) < OTHERS)
    names = [str(i) for i in range(plans)]
    order = names + [name for name, twice in zip(names, again.tolist(), strict=True) if twice]
    rule = Replicated.of(order, np.append(x, y[again]) != 0, OTHERS)
    for one, other, truth in ((x, y, -0.3), (d, e, -0.15)):
        found = rule.combine(np.append(one, other[again]))
        assert abs(found.mean() - truth) < 4 * found.std() / np.sqrt(plans)
        averaged = np.where(x != 0, (one + other) / 2, one)
        assert abs(averaged.mean() - truth) > 20 * averaged.std() / np.sqrt(plans)


def test_what_a_plan_counts_as() -> None:
    plans = ["a", "b", "c", "a", "b", "a"]
    discordant = np.array([True, False, False, False, True, True])
    rule = Replicated.of(plans, discordant, OTHERS)
    w = weight(OTHERS)
    assert rule.combine(np.array([4.0, 2.0, 7.0, 0.0, 1.0, 99.0])) == pytest.approx(
        [4 - w * 4, 2 - w / OTHERS, 7.0]
    )
    assert rule.awaiting(0, plans, void=["c"]).complete
    waits = is_replicated(0, "c", OTHERS, discordant=False)
    assert rule.awaiting(0, plans, void=[]).complete is not waits


def rows(again: int) -> list[dict[str, Any]]:
    """Twelve plans of which the first three are lost by the treatment, and then won."""
    found: list[dict[str, Any]] = []
    for i in [*range(12), *range(again)]:
        second = len(found) >= 12
        found.append(
            {
                "pair": f"p{len(found)}",
                "plan": f"plan {i}",
                "control_tokens": 1000 + i,
                "treatment_tokens": 500 + 3 * i,
                "control_success": True,
                "treatment_success": second or i >= 3,
            }
        )
    return found


def test_an_analysis_counts_first_pairs_and_lets_second_ones_refine() -> None:
    protocol = AnalysisProtocol(replicated_others=OTHERS)
    found = analyse(table_of(rows(3)), protocol)
    plain = analyse(table_of(rows(0)), AnalysisProtocol())
    assert (found.n_pairs, found.n_plans) == (15, 12)
    assert found.success == plain.success
    assert found.ratio_of_totals == plain.ratio_of_totals
    assert found.success_interval is not None
    assert found.success_interval.diff == pytest.approx(-3 / 12 * (1 - weight(OTHERS)))
    assert any("3 plans of 12 were run again, 3 of them" in text for text in found.warnings)
    # Averaging would halve the loss.
    averaged = analyse(table_of(rows(3)), AnalysisProtocol())
    assert averaged.success_interval is not None
    assert averaged.success_interval.diff == pytest.approx(-1.5 / 12)


def test_nothing_is_decided_while_a_plan_waits_for_its_second_pair() -> None:
    protocol = AnalysisProtocol(
        replicated_others=0.01, monitored=True, max_pairs=12, min_pairs=12, ni_margin=0.9
    )
    assert analyse(table_of(rows(2)), protocol).ci.kind == "anytime"
    assert analyse(table_of(rows(3)), protocol).ci.kind == "fixed"


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"rule": "largest"}, "replicates"),
        ({"rule": "discordant", "others": 0}, "replicates"),
        ({"rule": "discordant", "some": 1}, "some"),
    ],
)
def test_another_rule_is_refused(
    database: Any, tmp_path: Path, declared: dict[str, Any], said: str
) -> None:
    trial = make_trial(tmp_path, plans=8, control=agent(1), treatment=agent(1), replicates=declared)
    with pytest.raises(SpecError, match=said):
        register_experiment(str(trial.spec), db=database, home=tmp_path / "home")


@pytest.fixture
def engine_name(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "sqlite")


@pytest.mark.parametrize("engine_name", ["sqlite", "postgresql"], indirect=True)
def test_second_pairs_are_planned_once(database: Any, tmp_path: Path) -> None:
    trial = make_trial(
        tmp_path,
        plans=8,
        control=agent(1),
        treatment=agent(1),
        instead={**DECLARED, "replicates": {"rule": "discordant", "others": OTHERS}},
    )
    registered = register_experiment(str(trial.spec), db=database, home=tmp_path / "home")
    stored = Registered.of(get_test(database, registered.test_id))
    assert stored.protocol.replicated_others == OTHERS
    first = get_pairs(database, registered.test_id)
    assert len(first) == registered.declared.planned == 8
    lost = {first[0].plan_name, first[5].plan_name}
    for pair in first[:6]:
        on = ("failure_hardening",)
        state = BAD if pair.plan_name in lost else GOOD
        record_run(database, registered, pair, pair.control_run_id, tokens=1000)
        record_run(
            database, registered, pair, pair.treatment_run_id, tokens=900, features=on, state=state
        )
        finish_pair(database, pair.test_id, pair.number, is_valid=True, warnings=[], errors=[])
    plan_replicates(database, stored)
    plan_replicates(database, stored)
    second = [pair for pair in get_pairs(database, registered.test_id) if pair.replicate == 2]
    wanted = {
        pair.plan_name
        for pair in first[:6]
        if is_replicated(0, pair.plan_name, OTHERS, discordant=pair.plan_name in lost)
    }
    assert {pair.plan_name for pair in second} == wanted >= lost
    assert [pair.number for pair in second] == list(range(9, 9 + len(wanted)))
    assert all(pair.replaces is None for pair in second)
    # Pairs 7 and 8 have not run: nothing is decided, and nothing is over.
    assert enough(database, stored) is None
