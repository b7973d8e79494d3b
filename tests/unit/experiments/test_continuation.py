"""An experiment that ended too soon is continued: with more budget, or its void pairs again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.experiments import Trial, agent, make_trial

from autopack.experiments.concluding import enough
from autopack.experiments.design.added_budget import how_to_continue, limits_of, parse_budget
from autopack.experiments.design.cautions import cautions
from autopack.experiments.design.registration import Registered, register_experiment
from autopack.experiments.design.replacement import (
    last_of_each,
    replace_as_planned,
    standing,
    voids_that_count,
)
from autopack.ledger.budget.budget_tree import campaign_level
from autopack.ledger.events.usage_events import record_events
from autopack.model.budget import Limits
from autopack.model.errors import BadInput, Refused
from autopack.store.experiment_records import (
    finish_pair,
    finish_test,
    get_pairs,
    get_test,
    start_pair,
)
from autopack.store.tables import runs
from autopack.store.tables.experiments import ab_pairs
from autopack.store.usage_event import UsageEvent

OUTAGE = "infrastructure failure in treatment: run x is DONE_FAILED_ENVIRONMENT: away"
CUT = "shared budget ended control: run x is DONE_FAILED_BUDGET_EXHAUSTED: spent"
CANCELLED = "infrastructure failure in control: run x is DONE_CANCELLED: a person ended it"


def trial(folder: Path, plans: int = 10, **more: Any) -> Trial:
    declared: dict[str, Any] = {"budget": {"tokens": 500_000, "cost": 2, "minutes": 30}}
    priced = agent(1) | {"model": "claude-haiku-4-5", "provider": "anthropic"}
    return make_trial(folder, plans=plans, control=priced, treatment=priced, **declared | more)


def register(found: Trial, db: Any, **more: Any) -> Registered:
    return register_experiment(str(found.spec), db=db, home=found.spec.with_name("home"), **more)


@pytest.fixture
def engine_name(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "sqlite")


def end(db: Any, test_id: str, number: int, *errors: str) -> None:
    finish_pair(db, test_id, number, is_valid=not errors, warnings=[], errors=errors)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], None),
        (["tokens=1_000"], Limits(tokens=1000)),
        (["tokens=5,cost=2.50", "minutes=1.5"], Limits(5, Decimal("2.50"), 1.5)),
    ],
)
def test_more_budget_is_read(given: list[str], found: Limits | None) -> None:
    assert parse_budget(given) == found


@pytest.mark.parametrize(
    "given",
    [
        "tokens",
        "tokens=",
        "tokens=many",
        "money=3",
        "tokens=-1",
        "cost=0",
        "cost=1,cost=2",
        "tokens=1e999999999",
        "tokens=1e-999999999",
        "cost=1e999999999",
        "cost=nan",
        "minutes=inf",
    ],
)
def test_what_is_no_budget_is_refused(given: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_budget([given])
    assert refused.value.field == "add_budget"


def test_what_is_added_adds_up() -> None:
    declared = Limits(100, Decimal(2), None)
    added = [
        {"kind": "budget", "tokens": 5, "cost": None, "minutes": None},
        {"kind": "replace_void", "pairs": [1]},
        {"kind": "budget", "tokens": 7, "cost": "0.25", "minutes": None},
    ]
    assert limits_of(declared, added) == Limits(112, Decimal("2.25"), None)


@pytest.mark.parametrize("engine_name", ["sqlite", "postgresql"], indirect=True)
def test_a_starved_experiment_goes_on_with_more_budget(database: Any, tmp_path: Path) -> None:
    found = trial(tmp_path)
    first = register(found, database)
    end(database, first.test_id, 1)
    end(database, first.test_id, 2, CUT)
    finish_test(database, first.test_id, "the budget of the experiment left no room for pair 3")
    starved = Registered.of(get_test(database, first.test_id))
    report = {"decision": "INSUFFICIENT", "n_void": 0, "stop_reason": starved.stop_reason}
    said = how_to_continue(starved.limits, "ab.yaml", report)
    assert said == "continue with `autopack ab run ab.yaml --add-budget tokens=N`"

    again = register(found, database, more_budget=["tokens=100000", "cost=0.5"])

    assert again.test_id == first.test_id
    assert not again.finished
    assert again.limits == Limits(600_000, Decimal("2.5"), 30.0)
    assert campaign_level(database, first.test_id).limits == again.limits
    pairs = get_pairs(database, first.test_id)
    assert [(pair.number, pair.replaces) for pair in pairs if pair.replaces] == [(11, 2)]
    assert pairs[-1].plan_hash == pairs[1].plan_hash
    assert pairs[-1].control_run_id == f"{first.test_id}-0011-control"
    # asking for the file once more is asking for the same
    assert register(found, database).limits == again.limits


def test_budget_is_added_only_where_one_ended_it(database: Any, tmp_path: Path) -> None:
    found = trial(tmp_path, budget={"tokens": 500_000})
    with pytest.raises(BadInput, match="no experiment of this file"):
        register(found, database, more_budget=["tokens=5"])
    test_id = register(found, database).test_id
    with pytest.raises(BadInput, match="has no limit on cost"):
        register(found, database, more_budget=["cost=5"])
    finish_test(database, test_id, "all 10 planned pairs were run")
    with pytest.raises(Refused, match="did not end for its budget: all 10"):
        register(found, database, more_budget=["tokens=5"])
    assert get_test(database, test_id).amendments is None


def test_void_pairs_are_run_again_by_themselves_and_then_when_asked(
    database: Any, tmp_path: Path
) -> None:
    found = trial(tmp_path)
    test_id = register(found, database).test_id

    def numbers() -> list[int]:
        replace_as_planned(database, get_test(database, test_id), 10)
        return [pair.replaces for pair in get_pairs(database, test_id) if pair.replaces]

    end(database, test_id, 1, OUTAGE)
    assert numbers() == numbers() == [1]
    end(database, test_id, 2, CANCELLED)  # a person wanted that
    end(database, test_id, 3, OUTAGE)
    end(database, test_id, 4, OUTAGE)
    assert numbers() == [1, 3], "a fifth of ten pairs"
    pairs = get_pairs(database, test_id)
    assert [pair.number for pair in standing(pairs[:4])] == [1, 2, 3, 4], "not before they ended"
    assert enough(database, register(found, database)) == (
        "4 pairs are void, more than a fifth of all that are planned"
    )

    end(database, test_id, 11)
    pairs = get_pairs(database, test_id)
    assert 1 not in [pair.number for pair in standing([*pairs[:4], pairs[10]])]
    finish_test(database, test_id, "4 pairs are void, more than a fifth of all that are planned")
    invalid = Registered.of(get_test(database, test_id))
    report = {"decision": "INVALID", "n_void": 3, "stop_reason": invalid.stop_reason}
    said = how_to_continue(invalid.limits, "ab.yaml", report)
    assert said == "run the void pairs again with `autopack ab run ab.yaml --replace-void`"

    again = register(found, database, void_again=True)

    assert not again.finished
    left = last_of_each(get_pairs(database, test_id))
    assert [pair.number for pair in left] == [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]
    void = voids_that_count(get_test(database, test_id), get_pairs(database, test_id))
    assert void == 0, "only what turns out void from now on counts"
    with pytest.raises(Refused, match="no pair of"):
        register(found, database, void_again=True)


def test_an_edited_plan_is_named_as_what_makes_it_another_experiment(
    database: Any, tmp_path: Path
) -> None:
    found = trial(tmp_path, plans=3)
    first = register(found, database)
    end(database, first.test_id, 1)
    plan = found.plans[1]
    plan.write_text(plan.read_text().replace("Plan 1", "Another"))
    other = register(found, database)
    assert other.test_id != first.test_id
    assert cautions(other)[0] == (
        f"this is another experiment than {first.test_id}, of which 1 of 3 pairs have run: "
        "plan plan-1 was edited. Undo that to resume it"
    )
    # what else may have been changed
    spec = found.agents["treatment"]
    spec.write_text(spec.read_text().replace("success: 1.0", "success: 0.5"))
    found.spec.write_text(found.spec.read_text() + "seed: 9\n")
    end(database, other.test_id, 1)
    with pytest.raises(BadInput, match="seed was changed"):
        register(found, database, more_budget=["tokens=1"])
    said = cautions(register(found, database))[0]
    assert "seed was changed; the file of treatment's option spec was edited" in said


@pytest.mark.parametrize("engine_name", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("cap", [{"cost": Decimal(10)}, {"minutes": 10.0}])
def test_a_pair_begins_only_where_one_like_the_largest_has_room(
    database: Any, tmp_path: Path, cap: dict[str, Any]
) -> None:
    test_id = register(trial(tmp_path, plans=4), database).test_id
    first, second, third, fourth = get_pairs(database, test_id)

    def starts(pair: Any) -> bool:
        return start_pair(database, pair, reserve=0, cap=None, **cap)

    def spend(pair: Any, amount: int) -> None:
        run_id = pair.control_run_id
        event = UsageEvent(
            event_key=run_id,
            run_id=run_id,
            phase_id="p",
            attempt=1,
            provider="p",
            model="m",
            role="builder",
            category="base",
            total_tokens=1,
            cost=Decimal(amount),
        )

        def write(conn: sa.Connection) -> None:
            record_events(conn, [event])
            conn.execute(
                sa.update(runs)
                .where(runs.c.run_id == run_id)
                .values(elapsed_seconds=timedelta(minutes=amount).total_seconds())
            )

        database.transact(write)

    from autopack.clock import SystemClock
    from autopack.runs.prepare.prepare import prepare_run
    from autopack.settings import Settings

    registered = Registered.of(get_test(database, test_id))
    for pair in (first, second):
        request = registered.request(pair, "control")
        prepare_run(
            request, db=database, settings=Settings(tmp_path / "home", ""), clock=SystemClock()
        )
    assert starts(first)
    spend(first, 4)
    end(database, test_id, 1)
    assert starts(second), "4 of 10 are spent, and another 4 have room"
    assert not starts(third), "the second may take 4 as well"
    spend(second, 2)
    end(database, test_id, 2)
    assert starts(third), "6 are spent"
    assert not starts(fourth)
    with database.read() as conn:
        begun = sa.select(sa.func.count()).where(ab_pairs.c.started_at.is_not(None))
        assert conn.scalar(begun) == 3
