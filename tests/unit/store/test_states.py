"""Which state may follow which."""

import itertools

import pytest

from autopack.model.errors import IllegalTransition
from autopack.model.states import (
    AttemptState,
    PhaseState,
    RunState,
    check_transition,
)

DONE = {state.name for state in RunState if state.is_final}
ALLOWED = {
    "run": {
        "RUN_CREATED": {"PHASE_EXECUTION", "DONE_CANCELLED"},
        "PHASE_EXECUTION": {"AWAITING_APPROVAL", *DONE},
        "AWAITING_APPROVAL": {"PHASE_EXECUTION", *DONE},
    },
    "phase": {
        "QUEUED": {"EXECUTING", "SKIPPED"},
        "EXECUTING": {"COMPLETE", "FAILED", "SKIPPED", "QUEUED"},
    },
    "attempt": {
        "STARTED": {"BUILT", "FAILED", "INTERRUPTED"},
        "BUILT": {"PASSED", "FAILED"},
    },
}
KINDS = {"run": RunState, "phase": PhaseState, "attempt": AttemptState}


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_listed_transitions_are_allowed(kind):
    for old, new in itertools.product(KINDS[kind], repeat=2):
        if new.name in ALLOWED[kind].get(old.name, ()):
            check_transition(kind, old, new)
        else:
            with pytest.raises(IllegalTransition, match=f"{new} may not follow {old}"):
                check_transition(kind, old, new)


@pytest.mark.parametrize("old", ["COMPLETE", "FAILED", "SKIPPED"])
def test_a_rollback_queues_a_phase_that_ended(old):
    check_transition("phase", old, "QUEUED", rollback=True)


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("phase", "COMPLETE", "FAILED"),  # a rollback only queues
        ("phase", "QUEUED", "QUEUED"),  # nothing to roll back
        ("run", "DONE_SUCCESS", "PHASE_EXECUTION"),  # runs are never rolled back
        ("attempt", "FAILED", "STARTED"),  # nor are attempts
    ],
)
def test_a_rollback_allows_nothing_else(kind, old, new):
    with pytest.raises(IllegalTransition):
        check_transition(kind, old, new, rollback=True)


def test_only_a_run_that_ended_for_its_environment_is_reopened():
    allowed = [
        (kind, old.name, new.name)
        for kind, states in KINDS.items()
        for old, new in itertools.product(states, repeat=2)
        if new.name not in ALLOWED[kind].get(old.name, ()) and _may_reopen(kind, old, new)
    ]
    assert allowed == [
        ("run", "DONE_FAILED_ENVIRONMENT", "PHASE_EXECUTION"),
        ("phase", "FAILED", "QUEUED"),
    ]


def _may_reopen(kind, old, new):
    try:
        check_transition(kind, old, new, reopen=True)
    except IllegalTransition:
        return False
    return True


def test_every_done_state_is_final_and_no_other():
    assert {state for state in RunState if not state.is_final} == {
        "RUN_CREATED",
        "PHASE_EXECUTION",
        "AWAITING_APPROVAL",
    }
