"""Research in a plan: what a research phase needs, and who may be told of it."""

from typing import Any

import pytest
import yaml

from autopack.model.errors import PlanError
from autopack.plan import parse_plan
from autopack.plan.research_plan import research_plan

ASKED: dict[str, Any] = {"id": "look", "research": {"questions": ["Why?"]}}
TOLD: dict[str, Any] = {"id": "build", "instructions": "do", "context": ["research:look"]}


def plan_of(*phases: dict[str, Any]) -> str:
    return yaml.safe_dump({"goal": "g", "phases": list(phases)}, sort_keys=False)


def test_a_research_phase_needs_nothing_but_its_questions():
    look, build = parse_plan(plan_of(ASKED, TOLD)).phases
    assert look.research is not None
    assert (look.research.max_calls, look.research.tokens, look.research.ask) == (20, 60_000, True)
    assert (look.checks, look.instructions) == ((), "Why?")
    assert build.checks is None


def test_phases_without_research_are_hashed_as_ever():
    plan = parse_plan(plan_of({"id": "a", "instructions": "do"}))
    said = plan.to_dict()["phases"][0]
    assert (said["research"], said["context"]) == (None, [])
    assert parse_plan(plan_of({"id": "a", "instructions": "do", "context": []})).plan_hash == (
        plan.plan_hash
    )
    assert parse_plan(plan_of(ASKED, TOLD)).plan_hash != (
        parse_plan(plan_of(ASKED, {**TOLD, "context": []})).plan_hash
    )
    assert type(plan).from_json(parse_plan(plan_of(ASKED, TOLD)).to_json()).phases[0].research


@pytest.mark.parametrize(
    ("phases", "field", "says"),
    [
        ([{"id": "look", "research": {}}], "research.questions", "is required"),
        ([{"id": "look", "research": {"questions": []}}], "research.questions", "not be empty"),
        ([{"id": "look", "research": {"questions": [" "]}}], "research.questions[0]", "empty"),
        ([{"id": "look", "research": {"question": "a"}}], "research.question", "questions"),
        ([{"id": "look", "research": "Why?"}], "research", "must be a mapping"),
        (
            [{"id": "look", "research": {"questions": ["a"], "max_calls": 0}}],
            "research.max_calls",
            "at least 1",
        ),
        ([{**ASKED, "deliverables": ["a"]}], "deliverables", "builds nothing"),
        ([{**ASKED, "validate": ["pytest"]}], "validate", "builds nothing"),
        ([{**ASKED, "scope": {"paths": ["a"]}}], "scope", "builds nothing"),
        ([{"id": "a"}], "instructions", "is required"),
        ([{**TOLD, "context": ["look"]}], "context[0]", "research:ID"),
        ([TOLD], "context[0]", "no phase has the id 'look'"),
        ([{**TOLD, "id": "look"}], "context[0]", "the phase itself"),
        ([TOLD, ASKED], "context[0]", "runs after"),
        ([{**TOLD, "context": ["research:b"]}, {"id": "b", "instructions": "c"}], "context[0]",
         "not a research phase"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_field_and_line(
    phases: list[dict[str, Any]], field: str, says: str
):
    with pytest.raises(PlanError) as caught:
        parse_plan(plan_of(*phases))
    assert says in caught.value.message
    assert (caught.value.field or "").endswith(field)
    assert caught.value.line is not None
    assert caught.value.line > 2


def test_a_dependency_puts_research_first():
    plan = parse_plan(plan_of({**TOLD, "depends_on": ["look"]}, ASKED))
    assert [phase.id for phase in plan.ordered()] == ["look", "build"]


def test_the_plan_of_a_run_of_research_alone():
    plan = parse_plan(research_plan(["Why so?", "How?"], sources=["history"], tokens=9))
    (phase,) = plan.phases
    assert phase.research is not None
    assert (phase.research.questions, phase.research.tokens) == (("Why so?", "How?"), 9)
    assert plan.setup is None
