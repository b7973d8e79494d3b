"""Every fault of a plan is named by its field and line."""

from typing import get_args

import pytest
from pydantic import BaseModel

from autopack.model.errors import PlanError
from autopack.plan import Plan, parse_plan
from autopack.plan.load import MODELS

HEAD = "goal: g\nphases:\n"
PHASE = "  - id: a\n    instructions: do\n"


def fault_of(text, name="plan.yaml"):
    with pytest.raises(PlanError) as caught:
        parse_plan(text, name=name)
    return caught.value


def in_phase(line):
    """A plan whose second phase has ``line`` on line 7."""
    return HEAD + PHASE + "  - id: b\n    instructions: do\n    " + line + "\n"


def test_the_message_names_file_line_field_and_fault():
    error = fault_of(in_phase("budget: {tokens: 0}"))
    assert error.message == "plan.yaml:7: phases[1].budget.tokens: must be at least 1"
    assert (error.field, error.line) == ("phases[1].budget.tokens", 7)
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("line", "field", "says"),
    [
        # numbers
        ("budget: {tokens: -1}", "budget.tokens", "must be at least 1"),
        ("budget: {tokens: 1.5}", "budget.tokens", "must be a whole number"),
        ("budget: {tokens: true}", "budget.tokens", "must be a whole number"),
        ("budget: {tokens: 1:30}", "budget.tokens", "must be a whole number"),
        ("budget: {tokens: 9999999999999999999}", "budget.tokens", "must be at most"),
        ("budget: {attempts: 0}", "budget.attempts", "must be at least 1"),
        ("budget: {attempts: null}", "budget.attempts", "is empty"),
        ("budget: {minutes: 0}", "budget.minutes", "must be more than 0"),
        ("budget: {minutes: -0.5}", "budget.minutes", "must be more than 0"),
        ("budget: {minutes: .inf}", "budget.minutes", "must be a number"),
        ("budget: {minutes: 1e999}", "budget.minutes", "must be at most"),
        ("budget: {minutes: soon}", "budget.minutes", "must be a number"),
        # shapes
        ("budget: 5", "budget", "must be a mapping"),
        ("budget:", "budget", "is empty"),
        ("deliverables: a.py", "deliverables", "must be a list"),
        ("deliverables: [[a.py]]", "deliverables[0]", "must be text"),
        ("approval: perhaps", "approval", "must be true or false"),
        ("tier: ''", "tier", "must not be empty"),
        ("tier: " + "T" * 65, "tier", "must have at most 64 characters"),
        ('tier: "a\\tb"', "tier", "control character"),
        # keys
        ("delivrables: []", "delivrables", "is not a known key; did you mean deliverables?"),
        ("checks: []", "checks", "is not a known key"),
        ("Depends-On: []", "Depends-On", "did you mean depends_on?"),
        ("budget: {token: 1}", "budget.token", "did you mean tokens?"),
        ("scope: {readonly: []}", "scope.readonly", "did you mean read_only?"),
        # paths
        ("deliverables: [/etc/passwd]", "deliverables[0]", "is absolute"),
        ("deliverables: [a, ~/b]", "deliverables[1]", "is absolute"),
        ("deliverables: ['C:/b']", "deliverables[0]", "is absolute"),
        ("deliverables: ['c:b']", "deliverables[0]", "is absolute"),
        ("deliverables: [a/../../b]", "deliverables[0]", "has '..' in it"),
        ("deliverables: ['..']", "deliverables[0]", "has '..' in it"),
        ("deliverables: ['a\\b']", "deliverables[0]", "backslash"),
        ("deliverables: ['src/[z-a].py']", "deliverables[0]", "the range z-a in it"),
        ("scope: {paths: ['!a']}", "scope.paths[0]", "begins with '!'"),
        (
            "scope: {read_only: ['{a,b}/{a,b}/{a,b}/{a,b}/{a,b}/{a,b}/{a,b}']}",
            "scope.read_only[0]",
            "more than 64 patterns",
        ),
        ("deliverables: ['']", "deliverables[0]", "must not be empty"),
        ("deliverables: [null]", "deliverables[0]", "is empty"),
        ("deliverables: [./]", "deliverables[0]", "whole repository"),
        ('deliverables: ["a\\nb"]', "deliverables[0]", "control character"),
        ('deliverables: ["a\\0b"]', "deliverables[0]", "control character"),
        ("deliverables: [x/.git/config]", "deliverables[0]", "git's own"),
        ("deliverables: [.GIT/config]", "deliverables[0]", "git's own"),
        ("scope: {paths: [/a]}", "scope.paths[0]", "is absolute"),
        ("scope: {read_only: [../a]}", "scope.read_only[0]", "has '..' in it"),
        # commands
        ("validate: pytest -q", "validate", "must be a list"),
        ('validate: ["pytest \'x"]', "validate[0]", "no closing quotation"),
        ("validate: ['']", "validate[0]", "must name a program"),
        ("validate: ['  ']", "validate[0]", "must name a program"),
        ("validate: [[]]", "validate[0]", "must name a program"),
        ("validate: [['', a]]", "validate[0]", "must name a program"),
        ("validate: [{a: b}]", "validate[0]", "must be a command"),
        ("validate: [[a, [b]]]", "validate[0][1]", "must be text"),
        ('validate: [[a, "b\\0"]]', "validate[0][1]", "NUL"),
        ("validate: [pytest, -q]", "validate[1]", "'-q' is not a program"),
        ("validate: ['a | b']", "validate[0]", "runs without a shell"),
        ("validate: ['cd x && a']", "validate[0]", "runs without a shell"),
        ("validate: ['cd x; a']", "validate[0]", "runs without a shell"),
        ("validate: ['a 2>&1']", "validate[0]", "runs without a shell"),
        ("validate: ['A=1 x']", "validate[0]", "put env in front of it"),
        ('validate: ["a\\nb"]', "validate[0]", "several lines"),
        ('validate: ["a \\\\\\n b"]', "validate[0]", "several lines"),
        # dependencies
        ("depends_on: [c]", "depends_on", "no phase has the id 'c'"),
        ("depends_on: [b]", "depends_on", "is the phase itself"),
        ("depends_on: a", "depends_on", "must be a list"),
    ],
)
def test_a_fault_in_a_phase(line, field, says):
    error = fault_of(in_phase(line))
    assert (error.field, error.line) == (f"phases[1].{field}", 7)
    assert says in error.message
    assert "more problem" not in error.message


@pytest.mark.parametrize(
    ("line", "field", "says"),
    [
        ("goal:", "goal", "is empty"),
        ("goal: ' '", "goal", "must not be empty"),
        ('goal: "a\\0b"', "goal", "NUL"),
        ("goal: g\nsuccess_criteria: all green", "success_criteria", "must be a list"),
        ("goal: g\nnon_goals: ['']", "non_goals[0]", "must not be empty"),
        ("goal: g\nsetup: pip install .", "setup", "must be a list"),
        ('goal: g\nsetup: ["\'"]', "setup[0]", "cannot be split"),
        ("goal: g\nfeatures: [failure_hardning]", "features[0]", "did you mean failure_hardening?"),
        ("goal: g\npolicy: {doctor: on}", "policy.doctor", "'on' is not one of off, script, api"),
        ("goal: g\npolicy: {drift: warn}", "policy.drift", "not one of off, advisory, block"),
        ("goal: g\npolicy: {on_skip: fail}", "policy.on_skip", "not one of block, release"),
        ("goal: g\npolicy: {tests: lock}", "policy.tests", "not one of report, protect"),
        ("goal: g\npolicy: {execute_fix: ['a | b']}", "policy.execute_fix[0]", "without a shell"),
        ("goal: g\nmodels: {doctor: x}", "models.doctor", "is not a known key"),
        ("goal: g\nmodels: {builder: ''}", "models.builder", "must not be empty"),
        ("goal: g\nbudget: {tokens: 0}", "budget.tokens", "must be at least 1"),
        ("goal: g\nbudget: {tokens: null}", "budget.tokens", "is empty"),
        ("goal: g\nbudget: {cost: 0}", "budget.cost", "must be more than 0"),
        ("goal: g\nbudget: {cost: nan}", "budget.cost", "must be a number"),
        ("goal: g\nbudget: {cost: 0.1234567890123456}", "budget.cost", "at most 15 digits"),
        ("goal: g\nbudget: {phases: 0}", "budget.phases", "must be at least 1"),
        ("goal: g\nbudget: {minutes: 0}", "budget.minutes", "must be more than 0"),
        ("goal: g\nphase: []", "phase", "did you mean phases?"),
    ],
)
def test_a_fault_at_the_top(line, field, says):
    error = fault_of(f"{line}\nphases:\n{PHASE}")
    assert (error.field, error.line) == (field, line.count("\n") + 1)
    assert says in error.message


def test_an_unknown_key_is_told_which_keys_are_known():
    assert (  # pyright: ignore[reportOperatorIssue]
        "id, tier, instructions, deliverables, scope, validate" in fault_of(in_phase("x: 1")).hint
    )


@pytest.mark.parametrize(
    ("text", "field", "line"),
    [
        ("phases:\n" + PHASE, "goal", 1),
        ("# a comment\ngoal: g\n", "phases", 2),
        (HEAD + PHASE + "  - id: b\n", "phases[1].instructions", 5),
        (HEAD + "  - instructions: do\n", "phases[0].id", 3),
    ],
)
def test_what_is_required_has_the_line_of_what_lacks_it(text, field, line):
    error = fault_of(text)
    assert (error.field, error.line) == (field, line)
    assert error.message.endswith("is required")


@pytest.mark.parametrize(
    "bad", ["A", "-a", "a b", "a..b", "a.", "a.lock", "é", "''", "a/b", "x" * 65]
)
def test_ids(bad):
    error = fault_of(f"{HEAD}  - id: {bad}\n    instructions: do\n")
    assert (error.field, error.line) == ("phases[0].id", 3)
    assert "is not a valid id; use 1 to 64 of a-z" in error.message


def test_ids_are_unique():
    error = fault_of(HEAD + PHASE + PHASE)
    assert (error.field, error.line) == ("phases[1].id", 5)
    assert "'a' is the id of phases[0] too" in error.message


def test_a_close_id_is_suggested():
    text = HEAD + PHASE.replace("id: a", "id: build-api") + PHASE + "    depends_on: [build_api]\n"
    assert "did you mean 'build-api'?" in fault_of(text).message


def chain(*needs, tiers="1111"):
    """A plan of phases a line; "ab" is a phase a that depends on b."""
    return HEAD + "".join(
        f"  - {{id: {name}, tier: T{tier}, instructions: do, depends_on: [{', '.join(others)}]}}\n"
        for (name, *others), tier in zip(needs, tiers, strict=False)
    )


@pytest.mark.parametrize(
    ("needs", "field", "line", "members"),
    [
        (["ab", "ba"], "phases[0].depends_on", 3, "a -> b -> a"),
        (["x", "ac", "ba", "cb"], "phases[1].depends_on", 4, "a -> c -> b -> a"),
        (["ab", "bc", "cb"], "phases[1].depends_on", 4, "b -> c -> b"),  # a only waits for it
    ],
)
def test_a_cycle_names_its_members(needs, field, line, members):
    error = fault_of(chain(*needs))
    assert (error.field, error.line) == (field, line)
    assert error.message.endswith(f"goes round in a cycle: {members}")


def test_a_phase_may_not_wait_for_a_later_tier():
    error = fault_of(chain("ab", "b", tiers="21"))
    assert error.field == "phases[0].depends_on"
    assert "'b' is of tier T1, which runs after T2" in error.message


def test_a_cycle_across_tiers_is_a_cycle():
    assert "a -> b -> a" in fault_of(chain("ab", "ba", tiers="12")).message


def test_a_plan_has_phases():
    error = fault_of("goal: g\nphases: []\n")
    assert (error.field, error.line) == ("phases", 2)
    assert error.message.endswith("must not be empty")


def test_more_phases_than_the_budget_allows():
    error = fault_of("goal: g\nbudget: {phases: 1}\nphases:\n" + PHASE + PHASE.replace("a", "b", 1))
    assert (error.field, error.line) == ("phases", 3)
    assert "raise budget.phases or split the plan" in error.message


def test_the_first_of_several_by_line_and_how_many_more():
    text = (
        HEAD
        + "  - id: A\n    instructions: do\n    approval: maybe\nbudget: {tokens: 0}\ngaol: x\n"
    )
    error = fault_of(text)
    assert (error.field, error.line) == ("phases[0].id", 3)
    assert error.message.endswith("(and 3 more problems)")


def test_one_more_is_one_problem():
    assert fault_of(HEAD + "  - id: A\n").message.endswith("(and 1 more problem)")


def test_what_is_quoted_is_short():
    assert len(fault_of(in_phase("depends_on: [" + "x" * 5000 + "]")).message) < 200
    assert len(fault_of(in_phase("? " + "x" * 5000 + "\n    : 1")).message) < 200


def keyed_values(model, place=()):
    """Every place in a plan that has keys of its own, and the model that knows them."""
    yield place, model
    for name, field in model.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from keyed_values(kind, (*place, name))


def test_suggestions_know_the_keys_of_every_mapping_of_a_plan():
    assert dict(keyed_values(Plan)) == MODELS


SEVERAL = """goal: g
modls: {builder: x}
phases:
  - id: a
    instructions: do
    budget: {tokens: 0, attempts: none}
  - id: "B!"
    instruction: do
    depends_on: [c, a]
  - id: a
    instructions: do
    depends_on: [later]
    validate: pytest
"""


def test_every_problem_is_told_with_its_line_and_field():
    told = [(each.line, each.field) for each in fault_of(SEVERAL).problems]
    assert sorted(told) == [
        (2, "modls"),
        (6, "phases[0].budget.attempts"),
        (6, "phases[0].budget.tokens"),
        (7, "phases[1].id"),
        (7, "phases[1].instructions"),
        (8, "phases[1].instruction"),
        (9, "phases[1].depends_on"),
        (10, "phases[2].id"),
        (12, "phases[2].depends_on"),
        (13, "phases[2].validate"),
    ]


def test_what_follows_from_another_problem_comes_after_it():
    fields = [each.field for each in fault_of(SEVERAL).problems]
    assert fields.index("phases[1].instruction") < fields.index("phases[1].instructions")
    assert fields.index("phases[1].id") < fields.index("phases[1].depends_on")


MISSPELT = "gaol: g\nphases:\n  - {id: a, instructions: do}\n"


def test_the_first_is_the_cause():
    error = fault_of(MISSPELT)
    assert error.field == "gaol"
    assert "did you mean goal?" in error.message
    assert [each.field for each in error.problems] == ["gaol", "goal"]


@pytest.mark.parametrize(
    "line",
    [
        "env: {MY_KEY: KEY}",
        "policy: {doctor: KEY}",
        "budget: {tokens: KEY}",
        "features: [KEY]",
        "setup: [[KEY",
        "setup: [KEY: [KEY]]",
        "success_criteria: {KEY: 1}",
        "x: KEY: KEY",
    ],
)
def test_a_fault_does_not_repeat_a_key(line):
    key = "sk-canary-0123456789abcdef"
    error = fault_of(f"{HEAD}{PHASE}{line}\n".replace("KEY", key))
    assert key not in " ".join([error.message, error.hint or "", *map(str, error.problems)])
