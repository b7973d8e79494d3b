"""What each cause allows; what follows from it is in ``test_decide``."""

from dataclasses import FrozenInstanceError

import pytest

from autopack.model.causes import POLICIES, CausePolicy
from autopack.model.causes import FailureCause as Cause
from autopack.model.states import RunState

HUMAN = RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW
POLICY = RunState.DONE_FAILED_POLICY_VIOLATION
ENVIRONMENT = RunState.DONE_FAILED_ENVIRONMENT

# cause, may be tried again, continues from its own tree, is infrastructure, ends the run
TABLE = [
    # the change itself cannot be used
    (Cause.PATCH_CONFLICT, True, False, False, HUMAN),
    (Cause.EMPTY_CHANGE, True, False, False, HUMAN),
    (Cause.UNUSABLE_CONTENT, True, False, False, HUMAN),
    # a change that must not stay
    (Cause.OUT_OF_SCOPE, True, False, False, POLICY),
    # in scope, and only validation failed: the work is kept
    (Cause.DELIVERABLE_MISSING, True, True, False, HUMAN),
    (Cause.COLLECTION_ERROR, True, True, False, HUMAN),
    (Cause.ASSERTION_FAILURE, True, True, False, HUMAN),
    (Cause.SYNTAX_ERROR, True, True, False, HUMAN),
    (Cause.IMPORT_ERROR, True, True, False, HUMAN),
    (Cause.TYPE_ERROR, True, True, False, HUMAN),
    (Cause.RUNTIME_ERROR, True, True, False, HUMAN),
    (Cause.LINT_ERROR, True, True, False, HUMAN),
    (Cause.VALIDATION_FAILED, True, True, False, HUMAN),
    (Cause.TIMEOUT, True, True, False, HUMAN),
    # the agent is not to blame
    (Cause.PROVIDER_ERROR, True, True, True, ENVIRONMENT),
    (Cause.RATE_LIMIT, True, True, True, ENVIRONMENT),
    (Cause.BUILDER_ERROR, True, False, True, ENVIRONMENT),
    # no attempt can fix it
    (Cause.PROVIDER_REFUSED, False, True, True, ENVIRONMENT),
    (Cause.ENVIRONMENT, False, True, True, ENVIRONMENT),
]
WAIT = {Cause.PROVIDER_ERROR, Cause.RATE_LIMIT}
UNCOUNTED = {*WAIT, Cause.PROVIDER_REFUSED}


@pytest.mark.parametrize(("cause", "retry", "keeps", "infrastructure", "ends"), TABLE)
def test_what_a_cause_allows(
    cause: Cause, retry: bool, keeps: bool, infrastructure: bool, ends: RunState
) -> None:
    assert POLICIES[cause] == CausePolicy(
        retry=retry,
        keeps_work=keeps,
        infrastructure=infrastructure,
        waits=cause in WAIT,
        counts=cause not in UNCOUNTED,
        ends=ends,
    )


def test_every_cause_has_a_policy_and_a_row_here() -> None:
    assert set(POLICIES) == set(Cause) == {row[0] for row in TABLE}


def test_the_table_is_read_only() -> None:
    with pytest.raises(TypeError):
        POLICIES[Cause.TIMEOUT] = CausePolicy()  # pyright: ignore[reportIndexIssue]
    with pytest.raises(FrozenInstanceError):
        POLICIES[Cause.TIMEOUT].retry = False  # pyright: ignore[reportAttributeAccessIssue]


def test_work_that_was_out_of_scope_is_never_kept() -> None:
    assert not POLICIES[Cause.OUT_OF_SCOPE].keeps_work


@pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))
def test_every_end_is_a_failed_run(policy: CausePolicy) -> None:
    assert policy.ends.is_failure
