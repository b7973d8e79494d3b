"""Every way in which a run can end has chosen whether it is an outcome."""

from __future__ import annotations

from itertools import product

import pytest

from autopack.experiments.recorded.ends import (
    RULES,
    End,
    Outcome,
    end_of,
)
from autopack.experiments.recorded.exposure import RECORD_ONLY, VERBS, saw_model
from autopack.model.causes import POLICIES, FailureCause
from autopack.model.features import Feature
from autopack.model.states import RunState
from autopack.store.acting import LOOKS

FLAGS = list(product([False, True], repeat=3))
CASES = [
    (state, cause, flags)
    for state in RunState
    for cause in (None, *FailureCause)
    for flags in FLAGS
]


def test_every_end_has_chosen_and_says_why() -> None:
    assert set(RULES) == set(End)
    for end, rule in RULES.items():
        assert len(rule.why) > 10, end
        assert ("{arm}" in rule.kind) is not rule.outcome.counts, end


def test_every_state_with_every_cause_is_one_end() -> None:
    """Whatever state or cause is added has to be told of, and no end is there for nothing."""
    found = set[End]()
    for state, cause, (undelivered, starved, unpriced) in CASES:
        end = end_of(
            state, cause=cause, undelivered=undelivered, starved=starved, unpriced=unpriced
        )
        found.add(end)
        outcome = RULES[end].outcome
        # only what has ended is an outcome, and only a success is one
        assert (outcome is Outcome.NOT_YET) is not state.is_final
        assert (outcome is Outcome.SUCCESS) is (state is RunState.DONE_SUCCESS)
        # what the table of causes calls infrastructure is never the agent's failure
        if cause is not None and POLICIES[cause].infrastructure:
            assert outcome is not Outcome.FAILURE
        # nor is what its own state calls so
        if state in (RunState.DONE_FAILED_ENVIRONMENT, RunState.DONE_CANCELLED):
            assert outcome is Outcome.VOID
    assert found == set(End)


@pytest.mark.parametrize(
    "cause", [cause for cause in FailureCause if not POLICIES[cause].infrastructure]
)
def test_what_the_agent_did_counts_wherever_its_run_ends(cause: FailureCause) -> None:
    assert RULES[end_of(POLICIES[cause].ends, cause=cause)].outcome is Outcome.FAILURE


def test_every_feature_can_be_looked_up() -> None:
    assert set(LOOKS) == set(VERBS) == set(Feature)
    assert set(Feature) > RECORD_ONLY


@pytest.mark.parametrize(
    ("declared", "seen", "found"),
    [
        ("claude-sonnet-4-5", {"claude-sonnet-4-5-20250929"}, True),
        ("claude-sonnet-4-5-20250929", {"claude-sonnet-4-5"}, True),
        ("anthropic/claude-haiku-4-5", {"claude-haiku-4-5"}, True),
        ("openai:gpt-5", {"gpt-5-2026-01-01", "gpt-5"}, True),
        ("gpt-5", {"gpt-5-mini"}, False),
        ("gpt-5-mini", {"gpt-5"}, False),
        ("large", {"small", "large"}, True),
        # as providers date them
        ("gpt-5", {"gpt-5-2025-08-07"}, True),
        ("gpt-5-mini", {"gpt-5-2025-08-07"}, False),
        ("gpt-4.1", {"gpt-4.1-mini-2025-04-14"}, False),
        ("mistral-large", {"mistral-large-2411"}, True),
        ("google-gla:gemini-2.5-pro", {"models/gemini-2.5-pro-preview-05-06"}, True),
        ("claude-sonnet-4", {"claude-sonnet-4-5-20250929"}, False),
        ("vertex_ai/claude-opus-4-1@20250805", {"claude-opus-4-1"}, True),
        ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", {"claude-3-5-sonnet-20241022"}, True),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", {"amazon.nova-pro-v1:0"}, False),
        # a tag is not the name of a model
        ("llama3:8b", {"qwen:8b"}, False),
        ("ollama:llama3:8b", {"llama3:8b"}, True),
        ("llama3", {"llama3:8b"}, True),
        ("llama3:70b", {"llama3:8b"}, False),
        ("openai/gpt-4o:free", {"openai/gpt-4o"}, True),
        ("openai/gpt-4o:free", {"mistralai/mistral-nemo:free"}, False),
        # the words that an agent takes for a model
        ("sonnet", {"claude-sonnet-4-5-20250929"}, True),
        ("sonnet", {"claude-opus-4-1"}, False),
        ("large", set[str](), None),
    ],
)
def test_a_model_is_known_by_its_name(declared: str, seen: set[str], found: bool | None) -> None:
    assert saw_model(declared, seen) is found
