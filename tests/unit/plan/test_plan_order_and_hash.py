"""Phases run in an order that respects tiers and dependencies; a plan has one identity."""

import json
import time
from hashlib import sha256
from typing import get_args

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from autopack.plan import PhaseSpec, Plan, parse_plan
from autopack.plan.plan import SINCE_FIRST, Models, PhaseBudget, Policy, RunBudget, Scope
from autopack.plan.researching import ResearchSpec

# Drawing a whole plan takes milliseconds, which a busy machine makes many.
examples = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEATURES = ["phase6_metrics", "consolidated_metrics", "failure_hardening", "intention_context"]
words = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=20).filter(
    lambda text: text.strip()
)
names = st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)
paths = st.lists(names, min_size=1, max_size=3).map("/".join) | names.map(lambda name: f"{name}/")
commands = st.lists(names | words, min_size=1, max_size=3).map(lambda rest: ["run", *rest])
costs = st.decimals("0.000001", "1000000", places=6, allow_nan=False).filter(
    lambda cost: len(cost.normalize().as_tuple().digits) <= 15
)


@st.composite
def phase_lists(draw):
    """Phases without a misfit: each depends on some of those numbered before it."""
    tiers = sorted(draw(st.lists(st.integers(0, 2), min_size=1, max_size=6)))
    phases = []
    for number, tier in enumerate(tiers):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else ()
        phases.append(
            {
                "id": f"p{number}",
                "tier": f"T{tier}",
                "instructions": draw(words),
                "depends_on": [f"p{need}" for need in needs],
            }
        )
    # Any order in the file will do that keeps the tiers' order.
    return sorted(draw(st.permutations(phases)), key=lambda phase: phase["tier"])


@st.composite
def plans(draw):
    """The data of a valid plan file, with some of its keys."""
    phases = draw(phase_lists())
    for phase in phases:
        optional = {
            "deliverables": st.lists(paths, max_size=3),
            "scope": st.fixed_dictionaries({}, optional={"paths": st.lists(paths, max_size=2)}),
            "validate": st.none() | st.lists(commands, max_size=2),
            "approval": st.booleans(),
            "budget": st.fixed_dictionaries(
                {}, optional={"tokens": st.integers(1, 10**12), "minutes": st.floats(0.1, 1000)}
            ),
        }
        phase |= draw(st.fixed_dictionaries({}, optional=optional))
    optional = {
        "success_criteria": st.lists(words, max_size=2),
        "setup": st.none() | st.lists(commands, max_size=2),
        "features": st.lists(st.sampled_from(FEATURES), max_size=3),
        "budget": st.fixed_dictionaries({}, optional={"cost": costs.map(float)}),
        "policy": st.fixed_dictionaries({}, optional={"doctor": st.sampled_from(["off", "api"])}),
    }
    return {"goal": draw(words), "phases": phases} | draw(
        st.fixed_dictionaries({}, optional=optional)
    )


@settings(examples)
@given(plans())
def test_json_round_trip(data):
    plan = Plan.model_validate(data)
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.plan_hash == plan.plan_hash
    assert again.to_json() == plan.to_json()


@settings(examples)
@given(plans())
def test_one_plan_has_one_hash_however_it_is_spelled(data):
    spellings = [
        json.dumps(data),
        json.dumps(data, ensure_ascii=False, indent="\t", sort_keys=True),
        yaml.safe_dump(data),
        yaml.safe_dump(data, allow_unicode=True, default_flow_style=True, sort_keys=False),
        Plan.model_validate(data).to_json(),
    ]
    assert len({parse_plan(text).plan_hash for text in spellings}) == 1


@settings(examples)
@given(phase_lists())
def test_the_order_respects_tiers_and_dependencies(phases):
    plan = Plan.model_validate({"goal": "g", "phases": phases})
    ordered = plan.ordered()
    place = {phase.id: index for index, phase in enumerate(ordered)}
    tiers = list(dict.fromkeys(phase.tier for phase in plan.phases))
    assert sorted(place) == sorted(phase.id for phase in plan.phases)
    assert [tiers.index(p.tier) for p in ordered] == sorted(tiers.index(p.tier) for p in ordered)
    assert all(place[need] < place[phase.id] for phase in ordered for need in phase.depends_on)


def plan_of(*phases, **keys):
    return Plan(
        goal="g",
        phases=tuple(
            PhaseSpec(id=name, tier=tier, instructions="do", depends_on=tuple(needs))
            for name, tier, needs in phases
        ),
        **keys,
    )


@pytest.mark.parametrize(
    ("phases", "order"),
    [
        ([("b", "T", ""), ("a", "T", "")], "ba"),  # as in the file
        ([("a", "T", "b"), ("b", "T", "")], "ba"),  # dependencies first
        ([("a", "T", "c"), ("b", "T", ""), ("c", "T", "")], "bca"),  # the file's order else
        ([("a", "T", "c"), ("b", "T", ""), ("c", "T", ""), ("d", "T", "")], "bcad"),  # and at once
        ([("a", "Z", ""), ("b", "A", ""), ("c", "Z", "")], "acb"),  # tiers by first appearance
        ([("a", "1", "c"), ("b", "2", ""), ("c", "1", "")], "cab"),  # the tier before the file
        ([("a", "1", ""), ("b", "2", "a"), ("c", "2", "b")], "abc"),  # an earlier tier is fine
        ([("a", "1", ""), ("b", "1", "aa")], "ab"),  # named twice is needed once
    ],
)
def test_order(phases, order):
    assert "".join(phase.id for phase in plan_of(*phases).ordered()) == order


def test_many_phases_are_put_in_order_quickly():
    phases = [(f"p{n}", "T", [f"p{n + 1}"] if n < 4999 else []) for n in range(5000)]
    started = time.monotonic()
    ordered = plan_of(*phases, budget={"phases": 5000}).ordered()
    assert (ordered[0].id, ordered[-1].id) == ("p4999", "p0")
    assert time.monotonic() - started < 5


def test_a_default_spelled_out_is_the_same_plan():
    bare = parse_plan("goal: g\nphases: [{id: a, instructions: do}]")
    full = parse_plan(
        "goal: g\nbudget: {minutes: 120, cost: null}\nphases: [{id: a, tier: T1, instructions: do}]"
    )
    assert bare == full
    assert bare.plan_hash == full.plan_hash


@pytest.mark.parametrize(
    "change",
    [
        {"goal": "h"},
        {"setup": []},  # nothing to set up is not the same as inferred
        {"features": ["phase6_metrics"]},
        {"policy": {"on_skip": "release"}},
        {"policy": {"tests": "protect"}},
        {"models": {"builder": "m"}},
        {"budget": {"cost": 1}},
        {"phases": [{"id": "a", "instructions": "do", "validate": []}]},
    ],
)
def test_what_means_something_else_has_another_hash(change):
    data = {"goal": "g", "phases": [{"id": "a", "instructions": "do"}]}
    assert Plan.model_validate(data).plan_hash != Plan.model_validate(data | change).plan_hash


def test_the_hash_is_over_sorted_compact_json():
    # Stored runs are found by it: this changes only when a plan gains a key.
    canonical = (
        '{"budget":{"cost":null,"minutes":120,"phases":25,"tokens":5000000},"features":[],'
        '"goal":"g","models":{"builder":null,"doctor_cheap":null,"doctor_strong":null},'
        '"non_goals":[],"phases":[{"approval":false,'
        '"budget":{"attempts":5,"minutes":null,"tokens":null},"deliverables":[],'
        '"depends_on":[],"id":"a","instructions":"do","scope":{"paths":[],"read_only":[]},'
        '"tier":"T1","validate":null}],'
        '"policy":{"doctor":"off","drift":"advisory","execute_fix":[],"on_skip":"block"},'
        '"setup":null,"success_criteria":[]}'
    )
    assert plan_of(("a", "T1", "")).plan_hash == sha256(canonical.encode()).hexdigest()


# What each part of a plan said in the first version that stored it, defaults included.
FIRST = {
    Plan: "goal success_criteria non_goals setup features policy models budget phases",
    Policy: "doctor drift on_skip execute_fix",
    Models: "builder doctor_cheap doctor_strong",
    RunBudget: "tokens cost phases minutes",
    PhaseBudget: "tokens attempts minutes",
    Scope: "paths read_only",
    PhaseSpec: "id tier instructions deliverables scope checks depends_on budget approval",
    ResearchSpec: "questions sources max_calls tokens ask",
}


def parts_of(model):
    """The model, and every model that its fields are made of."""
    found, asked = {model}, [field.annotation for field in model.model_fields.values()]
    while asked:
        one = asked.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            found |= parts_of(one)
        asked += get_args(one)
    return found


def test_every_field_that_a_plan_gained_leaves_stored_hashes_alone():
    assert {
        model: set(model.model_fields) - SINCE_FIRST.get(model, set()) for model in parts_of(Plan)
    } == {model: set(names.split()) for model, names in FIRST.items()}


def test_a_changed_copy_has_a_hash_of_its_own():
    plan = plan_of(("a", "T1", ""))
    first, copy = plan.plan_hash, plan.model_copy(update={"goal": "h"})
    assert copy.plan_hash == plan_of(("a", "T1", "")).model_copy(update={"goal": "h"}).plan_hash
    assert copy.plan_hash != first


def test_json_uses_the_keys_of_the_plan_file():
    text = (
        "goal: g\nsetup: [pip install .]\nphases: [{id: a, instructions: b, validate: [pytest -q]}]"
    )
    data = json.loads(parse_plan(text).to_json())
    assert data["setup"] == [["pip", "install", "."]]
    assert data["phases"][0]["validate"] == [["pytest", "-q"]]
    assert "checks" not in data["phases"][0]
    assert (data["budget"]["minutes"], type(data["budget"]["minutes"])) == (120, int)


def test_a_plan_is_a_value():
    plan = plan_of(("a", "T1", ""))
    assert {plan, plan_of(("a", "T1", ""))} == {plan}  # pyright: ignore[reportUnhashable]
    with pytest.raises(ValueError, match="frozen"):
        plan.goal = "h"
