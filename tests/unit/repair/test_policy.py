"""What may follow each failure, at and beside every boundary."""

from dataclasses import FrozenInstanceError

import pytest

from autopack.model.budget import Exhausted, Resource, Scope
from autopack.model.causes import POLICIES, CausePolicy, Failure
from autopack.model.causes import FailureCause as Cause
from autopack.model.states import RunState
from autopack.repair.decide import (
    Decision,
    DecisionKind,
    History,
    Prescription,
    decide,
    stop_at_cap,
)
from autopack.repair.doctor import DoctorAction

HUMAN = RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW
POLICY = RunState.DONE_FAILED_POLICY_VIOLATION
ENVIRONMENT = RunState.DONE_FAILED_ENVIRONMENT
BUDGET = RunState.DONE_FAILED_BUDGET_EXHAUSTED

CAP = Exhausted(Scope.RUN, "r", Resource.TOKENS, "100", "120")
SOME_LEFT, NONE_LEFT = History(ended=1, allowed=5), History(ended=5, allowed=5)

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
USE_UP_ATTEMPTS = [row[0] for row in TABLE if row[1] and row[0] not in WAIT]


def failed(cause: Cause) -> Failure:
    return Failure(cause, "it broke", "real output")


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


@pytest.mark.parametrize("cause", USE_UP_ATTEMPTS)
def test_a_cause_that_may_be_tried_again_is_while_attempts_are_left(cause: Cause) -> None:
    decision = decide(SOME_LEFT, failed(cause), None)
    assert decision == Decision(
        DecisionKind.RETRY, f"{cause.value}: attempt 1 of 5", keep_work=POLICIES[cause].keeps_work
    )


@pytest.mark.parametrize("cause", USE_UP_ATTEMPTS)
def test_a_cause_that_may_be_tried_again_ends_the_run_with_the_last_attempt(cause: Cause) -> None:
    decision = decide(NONE_LEFT, failed(cause), None)
    assert (decision.kind, decision.run_state) == (DecisionKind.STOP, POLICIES[cause].ends)
    assert decision.reason == f"5 of 5 attempts failed, the last one with {cause.value}"


@pytest.mark.parametrize("cause", sorted(WAIT))
@pytest.mark.parametrize("history", [History(0, 1, pause=4.0), History(5, 5, pause=4.0)])
def test_trouble_of_the_provider_is_waited_for_and_uses_up_nothing(
    cause: Cause, history: History
) -> None:
    decision = decide(history, failed(cause), None)
    assert (decision.kind, decision.seconds) == (DecisionKind.RETRY, 4.0)


# seconds that the outage lasted, seconds that the run may wait
@pytest.mark.parametrize(("outage", "patience"), [(7200.0, 7200.0), (1.0, 0.5)])
@pytest.mark.parametrize("cause", sorted(WAIT))
def test_a_run_has_its_minutes_of_patience(cause: Cause, outage: float, patience: float) -> None:
    decision = decide(History(0, 5, outage=outage, patience=patience), failed(cause), None)
    assert (decision.kind, decision.run_state) == (DecisionKind.STOP, ENVIRONMENT)
    assert "autopack resume" in decision.reason


# builds that ended, builds allowed, what follows a failed check
@pytest.mark.parametrize(
    ("ended", "allowed", "kind"),
    [
        (1, 1, DecisionKind.STOP),
        (1, 2, DecisionKind.RETRY),
        (4, 5, DecisionKind.RETRY),
        (5, 5, DecisionKind.STOP),
        # the plan's cap cannot fall, but more than allowed must not mean for ever
        (6, 5, DecisionKind.STOP),
    ],
)
def test_attempts_end_at_their_cap(ended: int, allowed: int, kind: DecisionKind) -> None:
    decision = decide(History(ended, allowed), failed(Cause.VALIDATION_FAILED), None)
    assert decision.kind is kind


@pytest.mark.parametrize("history", [SOME_LEFT, NONE_LEFT])
def test_what_no_attempt_can_mend_stops_at_once(history: History) -> None:
    decision = decide(history, failed(Cause.ENVIRONMENT), None)
    assert decision == Decision(DecisionKind.STOP, "it broke", run_state=ENVIRONMENT)


@pytest.mark.parametrize("history", [SOME_LEFT, NONE_LEFT])
@pytest.mark.parametrize("exhausted", [None, CAP])
def test_a_success_is_never_turned_down(history: History, exhausted: Exhausted | None) -> None:
    decision = decide(history, None, exhausted)
    assert (decision.kind, decision.run_state) == (DecisionKind.COMPLETE, None)


# which of several reasons to stop is told
@pytest.mark.parametrize(
    ("cause", "history", "state", "words"),
    [
        # a cap comes before another try
        (Cause.VALIDATION_FAILED, SOME_LEFT, BUDGET, "120 of 100 tokens"),
        # and before the end of the attempts
        (Cause.VALIDATION_FAILED, NONE_LEFT, BUDGET, "120 of 100 tokens"),
        (Cause.OUT_OF_SCOPE, NONE_LEFT, BUDGET, "120 of 100 tokens"),
        # but what nothing can mend comes before the cap
        (Cause.ENVIRONMENT, SOME_LEFT, ENVIRONMENT, "it broke"),
    ],
)
def test_the_reason_to_stop(cause: Cause, history: History, state: RunState, words: str) -> None:
    decision = decide(history, failed(cause), CAP)
    assert (decision.kind, decision.run_state) == (DecisionKind.STOP, state)
    assert words in decision.reason


def test_a_cap_ends_the_run_before_the_build_is_paid_for() -> None:
    assert stop_at_cap(CAP) == Decision(
        DecisionKind.STOP, "run r: 120 of 100 tokens are used up", run_state=BUDGET
    )


def test_every_stop_says_where_the_run_ends() -> None:
    for cause in Cause:
        for history in (SOME_LEFT, NONE_LEFT):
            for cap in (None, CAP):
                decision = decide(history, failed(cause), cap)
                assert (decision.kind is DecisionKind.STOP) == (decision.run_state is not None)


# what a doctor orders, replans of the phase and the run so far, what follows
@pytest.mark.parametrize(
    ("action", "history", "cap", "kind"),
    [
        (DoctorAction.RETRY_WITH_FIX, SOME_LEFT, None, DecisionKind.RETRY),
        # a doctor cannot give attempts that the plan does not
        (DoctorAction.RETRY_WITH_FIX, NONE_LEFT, None, DecisionKind.STOP),
        (DoctorAction.REPLAN, SOME_LEFT, None, DecisionKind.REPLAN),
        (DoctorAction.REPLAN, History(5, 5, (0, 4)), None, DecisionKind.REPLAN),
        # once a phase, five times a run
        (DoctorAction.REPLAN, History(1, 5, (1, 1)), None, DecisionKind.RETRY),
        (DoctorAction.REPLAN, History(1, 5, (0, 5)), None, DecisionKind.RETRY),
        (DoctorAction.REPLAN, History(5, 5, (1, 1)), None, DecisionKind.STOP),
        (DoctorAction.ROLLBACK_RUN, SOME_LEFT, None, DecisionKind.ROLLBACK),
        (DoctorAction.SKIP_PHASE, NONE_LEFT, None, DecisionKind.SKIP),
        (DoctorAction.MARK_FATAL, SOME_LEFT, None, DecisionKind.STOP),
        # more builds need room under the caps, giving up does not
        (DoctorAction.REPLAN, SOME_LEFT, CAP, DecisionKind.STOP),
        (DoctorAction.ROLLBACK_RUN, SOME_LEFT, CAP, DecisionKind.STOP),
        (DoctorAction.SKIP_PHASE, SOME_LEFT, CAP, DecisionKind.SKIP),
    ],
)
def test_what_a_doctor_orders(
    action: DoctorAction, history: History, cap: Exhausted | None, kind: DecisionKind
) -> None:
    ordered = Prescription(action, "doctor: so it seems", "try this", "c" * 40)
    decision = decide(history, failed(Cause.VALIDATION_FAILED), cap, ordered)
    assert decision.kind is kind
    assert (decision.kind is DecisionKind.STOP) == (decision.run_state is not None)


def test_a_doctor_never_undoes_a_success() -> None:
    ordered = Prescription(DoctorAction.MARK_FATAL, "hopeless")
    assert decide(SOME_LEFT, None, None, ordered).kind is DecisionKind.COMPLETE
