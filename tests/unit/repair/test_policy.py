"""What each cause allows; what follows from it is in ``test_decide``."""

from dataclasses import FrozenInstanceError

import pytest

from autopack.model.causes import POLICIES, CausePolicy
from autopack.model.causes import FailureCause as Cause
from autopack.model.states import RunState

POLICY = RunState.DONE_FAILED_POLICY_VIOLATION
ENVIRONMENT = RunState.DONE_FAILED_ENVIRONMENT

# What cannot be the base of another try: nothing, no content, or content that may not stay.
UNUSABLE = {
    Cause.PATCH_CONFLICT,
    Cause.EMPTY_CHANGE,
    Cause.UNUSABLE_CONTENT,
    Cause.OUT_OF_SCOPE,
    Cause.BUILDER_ERROR,
}
WAIT = [cause for cause in Cause if POLICIES[cause].waits]


def test_every_cause_has_a_policy() -> None:
    assert set(POLICIES) == set(Cause)


@pytest.mark.parametrize("cause", Cause)
def test_only_what_is_not_the_agents_fault_ends_a_run_as_its_environments(cause: Cause) -> None:
    policy = POLICIES[cause]
    assert policy.infrastructure == (policy.ends is ENVIRONMENT)


@pytest.mark.parametrize("cause", Cause)
def test_a_failure_of_the_work_uses_up_an_attempt_and_is_tried_again(cause: Cause) -> None:
    policy = POLICIES[cause]
    assert policy.infrastructure or (policy.retry and policy.counts and not policy.waits)


@pytest.mark.parametrize("cause", Cause)
def test_work_is_kept_unless_it_cannot_be_built_upon(cause: Cause) -> None:
    assert POLICIES[cause].keeps_work == (cause not in UNUSABLE)


def test_only_a_change_out_of_scope_is_a_violation_of_policy() -> None:
    assert [cause for cause in Cause if POLICIES[cause].ends is POLICY] == [Cause.OUT_OF_SCOPE]


def test_an_outage_is_waited_for_and_a_refusal_is_not() -> None:
    assert set(WAIT) == {Cause.PROVIDER_ERROR, Cause.RATE_LIMIT}
    uncounted = {cause for cause in Cause if not POLICIES[cause].counts}
    assert uncounted - set(WAIT) == {Cause.PROVIDER_REFUSED}
    assert not POLICIES[Cause.PROVIDER_REFUSED].retry


def test_the_table_is_read_only() -> None:
    with pytest.raises(TypeError):
        POLICIES[Cause.TIMEOUT] = CausePolicy()  # pyright: ignore[reportIndexIssue]
    with pytest.raises(FrozenInstanceError):
        POLICIES[Cause.TIMEOUT].retry = False  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))
def test_every_end_is_a_failed_run(policy: CausePolicy) -> None:
    assert policy.ends.is_failure
