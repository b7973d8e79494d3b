"""What follows every cause in every situation, and that every attempt comes to an end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopack.model.budget import Exhausted, Resource, Scope
from autopack.model.causes import POLICIES, Failure
from autopack.model.causes import FailureCause as Cause
from autopack.model.states import RunState
from autopack.repair.decide import (
    MOST_MITIGATIONS,
    MOST_ROUNDS,
    Consult,
    Decision,
    DecisionKind,
    Fix,
    Mitigate,
    Repair,
    Review,
    decide,
    stop_at_cap,
)
from autopack.repair.doctor import Answer, DoctorAction
from autopack.repair.doctor.routing import CALLS_A_PHASE, Calls, Consultation, DoctorTier
from autopack.repair.facts import DoctorFacts, Facts, History, RepairState, ReviewFacts, Tried
from autopack.repair.review import Verdict

HUMAN = RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW
ENVIRONMENT = RunState.DONE_FAILED_ENVIRONMENT
BUDGET = RunState.DONE_FAILED_BUDGET_EXHAUSTED

CAP = Exhausted(Scope.RUN, "r", Resource.TOKENS, "100", "120")
SOME_LEFT, NONE_LEFT = History(ended=2, allowed=5, pause=4.0), History(ended=5, allowed=5)
COMMIT, COMMAND = "c" * 40, ("make", "fixed")
SURE, UNSURE = 0.9, 0.5

WAIT = {cause for cause, policy in POLICIES.items() if policy.waits}
HOPELESS = {cause for cause, policy in POLICIES.items() if not policy.retry}
USUAL = set(Cause) - WAIT - HOPELESS

Step = type[Repair] | DecisionKind
COMPLETE, RETRY, REPLAN, ROLLBACK, SKIP, STOP, ASKS = (
    DecisionKind.COMPLETE,
    DecisionKind.RETRY,
    DecisionKind.REPLAN,
    DecisionKind.ROLLBACK,
    DecisionKind.SKIP,
    DecisionKind.STOP,
    DecisionKind.WAIT,
)


def failed(cause: Cause) -> Failure:
    return Failure(cause, "it broke", "real output")


def answer(action: DoctorAction, confidence: float = SURE, **more: Any) -> Answer:
    said: dict[str, Any] = {"hint": "try this", "commit": COMMIT[:12], "commands": (COMMAND,)}
    said |= more
    return Answer(action=action, confidence=confidence, rationale="so it seems", **said)


def facts(cause: Cause = Cause.VALIDATION_FAILED, **given: Any) -> Facts:
    """An attempt that failed; what is given belongs to the facts, the repair or the doctor."""
    repair = RepairState.of(failed(cause))
    doctor: DoctorFacts | None = None
    builds = given.pop("builds", 2)
    if given.pop("doctor", False):
        consultation = Consultation((cause,), builds=builds)
        consultation = replace(consultation, calls=given.pop("calls", Calls()))
        said = given.pop("said", None)
        doctor = DoctorFacts(
            consultation,
            answer=said,
            tier=given.pop("tier", DoctorTier.CHEAP) if said else None,
            allowed=given.pop("allowed", (COMMAND,)),
            commits=given.pop("commits", ("b" * 40, COMMIT)),
        )
    for name in ("tried", "unanswered", "fix_ran"):
        if name in given:
            repair = replace(repair, **{name: given.pop(name)})
    given.setdefault("history", SOME_LEFT)
    return Facts(repair, doctor=doctor, **given)


def kind(step: Repair | Decision) -> Step:
    return step.kind if isinstance(step, Decision) else type(step)


KNOWN: dict[str, Any] = {"mitigates": True, "possible": ("known", "other")}
ASKED: dict[str, Any] = {"doctor": True, "said": answer(DoctorAction.RETRY_WITH_FIX)}


def ordered(action: DoctorAction, **more: Any) -> dict[str, Any]:
    return ASKED | {"said": answer(action, **more)}


# what is the case besides the cause; what follows a cause that another attempt may fix, one that
# is waited for, one that no attempt can fix
SITUATIONS: list[tuple[dict[str, Any], Step, Step, Step]] = [
    # nothing but another attempt
    ({}, RETRY, RETRY, STOP),
    ({"history": NONE_LEFT}, STOP, RETRY, STOP),
    ({"history": History(6, 5)}, STOP, RETRY, STOP),
    ({"history": History(1, 1)}, STOP, RETRY, STOP),
    ({"history": History(1, 2)}, RETRY, RETRY, STOP),
    # a run has its minutes of patience, and no provider that works uses them up
    ({"history": History(1, 5, outage=60, patience=60)}, RETRY, STOP, STOP),
    # a cap comes before another try and before the end of the attempts
    ({"exhausted": CAP}, STOP, STOP, STOP),
    ({"exhausted": CAP, "history": NONE_LEFT}, STOP, STOP, STOP),
    ({"exhausted": CAP, "ask_at_cap": True}, ASKS, ASKS, STOP),
    # what needs no model goes first, and needs no cap
    (KNOWN, Mitigate, Mitigate, Mitigate),
    (KNOWN | {"exhausted": CAP}, Mitigate, Mitigate, Mitigate),
    (KNOWN | {"doctor": True}, Mitigate, Mitigate, Mitigate),
    ({"mitigates": True}, RETRY, RETRY, STOP),
    # the feature's gate
    (KNOWN | {"mitigates": False}, RETRY, RETRY, STOP),
    # one after the other, up to the first that does not help, and four
    (KNOWN | {"tried": (Tried("known", True),)}, Mitigate, Mitigate, Mitigate),
    (KNOWN | {"tried": (Tried("known", True), Tried("other", False))}, RETRY, RETRY, STOP),
    (KNOWN | {"tried": (Tried("known", True),) * MOST_MITIGATIONS}, RETRY, RETRY, STOP),
    (KNOWN | {"tried": (Tried("known", False),), "doctor": True}, Consult, Consult, Consult),
    # a doctor, when its rules say so
    ({"doctor": True}, Consult, Consult, Consult),
    ({"doctor": True, "calls": Calls(phase=CALLS_A_PHASE)}, RETRY, RETRY, STOP),
    ({"doctor": True, "history": NONE_LEFT}, Consult, Consult, Consult),
    # not without room for the build after it, and not again after silence
    ({"doctor": True, "exhausted": CAP}, STOP, STOP, STOP),
    ({"doctor": True, "unanswered": True}, RETRY, RETRY, STOP),
    # an unsure cheap doctor is followed by the strong one, whose word is the last
    (ordered(DoctorAction.MARK_FATAL, confidence=UNSURE), Consult, Consult, Consult),
    (
        ordered(DoctorAction.MARK_FATAL, confidence=UNSURE) | {"unanswered": True},
        STOP,
        STOP,
        STOP,
    ),
    (
        ordered(DoctorAction.MARK_FATAL, confidence=UNSURE) | {"tier": DoctorTier.STRONG},
        STOP,
        STOP,
        STOP,
    ),
    # its orders: another attempt within the plan's
    (ASKED, RETRY, RETRY, STOP),
    (ASKED | {"history": NONE_LEFT}, STOP, RETRY, STOP),
    # a replan once a phase and five times a run
    (ordered(DoctorAction.REPLAN), REPLAN, RETRY, STOP),
    (ordered(DoctorAction.REPLAN) | {"history": History(5, 5, (0, 4))}, REPLAN, RETRY, STOP),
    (ordered(DoctorAction.REPLAN) | {"history": History(1, 5, (1, 1))}, RETRY, RETRY, STOP),
    (ordered(DoctorAction.REPLAN) | {"history": History(1, 5, (0, 5))}, RETRY, RETRY, STOP),
    (ordered(DoctorAction.REPLAN) | {"history": History(5, 5, (1, 1))}, STOP, RETRY, STOP),
    (ordered(DoctorAction.REPLAN, hint=" "), RETRY, RETRY, STOP),
    # a rollback to a commit of the run
    (ordered(DoctorAction.ROLLBACK_RUN), ROLLBACK, RETRY, STOP),
    (ordered(DoctorAction.ROLLBACK_RUN, commit="d" * 12), RETRY, RETRY, STOP),
    (ordered(DoctorAction.ROLLBACK_RUN, commit=COMMIT[:6]), RETRY, RETRY, STOP),
    (
        ordered(DoctorAction.ROLLBACK_RUN) | {"commits": (COMMIT, COMMIT[:39] + "d")},
        RETRY,
        RETRY,
        STOP,
    ),
    # more builds need room under the caps, giving up does not
    (ordered(DoctorAction.REPLAN) | {"exhausted": CAP}, STOP, STOP, STOP),
    (ordered(DoctorAction.ROLLBACK_RUN) | {"exhausted": CAP}, STOP, STOP, STOP),
    (ordered(DoctorAction.SKIP_PHASE) | {"exhausted": CAP}, SKIP, SKIP, SKIP),
    (ordered(DoctorAction.SKIP_PHASE) | {"history": NONE_LEFT}, SKIP, SKIP, SKIP),
    (ordered(DoctorAction.MARK_FATAL), STOP, STOP, STOP),
    # a fix that the plan allows, once
    (ordered(DoctorAction.EXECUTE_FIX), Fix, Fix, Fix),
    (ordered(DoctorAction.EXECUTE_FIX) | {"fix_ran": True}, RETRY, RETRY, STOP),
    (ordered(DoctorAction.EXECUTE_FIX) | {"allowed": ()}, RETRY, RETRY, STOP),
    (ordered(DoctorAction.EXECUTE_FIX, commands=()), RETRY, RETRY, STOP),
]


@pytest.mark.parametrize(("given", "usual", "waits", "hopeless"), SITUATIONS)
def test_what_follows(given: dict[str, Any], usual: Step, waits: Step, hopeless: Step) -> None:
    for cause in Cause:
        expected = waits if cause in WAIT else hopeless if cause in HOPELESS else usual
        step = decide(facts(cause, **given))
        assert kind(step) is expected, cause
        if isinstance(step, Decision):
            assert (step.kind is STOP) == (step.run_state is not None)
            again = step.kind in (RETRY, STOP, ASKS)
            assert step.keep_work == (again and POLICIES[cause].keeps_work), cause


def test_every_cause_is_in_one_group_and_every_order_and_step_in_a_row() -> None:
    assert {frozenset(group) for group in (USUAL, WAIT, HOPELESS)} == {
        frozenset(cause for cause in Cause if (POLICIES[cause].waits, POLICIES[cause].retry) == of)
        for of in ((False, True), (True, True), (False, False))
    }
    orders = {row[0]["said"].action for row in SITUATIONS if "said" in row[0]}
    assert orders == set(DoctorAction)
    steps = {step for row in SITUATIONS for step in row[1:]}
    # what passes is complete; a phase is deferred before an attempt
    assert steps == {Mitigate, Consult, Fix, *DecisionKind} - {COMPLETE, DecisionKind.DEFER}


@pytest.mark.parametrize("given", [row[0] for row in SITUATIONS])
def test_a_success_is_never_turned_down(given: dict[str, Any]) -> None:
    told = facts(**given)
    step = decide(replace(told, repair=replace(told.repair, failure=None)))
    assert isinstance(step, Decision)
    assert (step.kind, step.run_state) == (COMPLETE, None)


# where a stopped run ends, and in which words
@pytest.mark.parametrize(
    ("cause", "given", "state", "words"),
    [
        (Cause.VALIDATION_FAILED, {"exhausted": CAP}, BUDGET, "120 of 100 tokens"),
        (Cause.OUT_OF_SCOPE, {"exhausted": CAP}, BUDGET, "120 of 100 tokens"),
        (Cause.ENVIRONMENT, {"exhausted": CAP}, ENVIRONMENT, "it broke"),
        (Cause.VALIDATION_FAILED, {"history": NONE_LEFT}, HUMAN, "5 of 5 attempts failed"),
        (Cause.LINT_ERROR, {"history": NONE_LEFT}, HUMAN, "the last one with lint_error"),
        (Cause.VALIDATION_FAILED, ordered(DoctorAction.MARK_FATAL), HUMAN, "so it seems"),
        (Cause.RATE_LIMIT, {"history": History(1, 5, outage=9, patience=1)}, ENVIRONMENT, "resume"),
    ],
)
def test_the_reason_to_stop(
    cause: Cause, given: dict[str, Any], state: RunState, words: str
) -> None:
    step = decide(facts(cause, **given))
    assert isinstance(step, Decision)
    assert step.run_state is state
    assert words in step.reason


@pytest.mark.parametrize("cause", sorted(Cause))
def test_attempts_that_end_at_their_cap_end_the_run_as_the_policy_says(cause: Cause) -> None:
    step = decide(facts(cause, history=NONE_LEFT))
    assert isinstance(step, Decision)
    expected = None if cause in WAIT else POLICIES[cause].ends
    assert step.run_state is expected


@pytest.mark.parametrize("cause", sorted(Cause))
def test_two_builds_come_before_a_doctor_but_for_infrastructure(cause: Cause) -> None:
    step = decide(facts(cause, doctor=True, builds=1))
    assert isinstance(step, Consult) == POLICIES[cause].infrastructure


def test_the_best_pattern_is_tried() -> None:
    assert decide(facts(**KNOWN)) == Mitigate("known")


def test_a_doctor_is_asked_with_the_reason_for_its_tier() -> None:
    assert decide(facts(doctor=True)) == Consult(DoctorTier.CHEAP, "a first opinion")
    unsure = facts(**ordered(DoctorAction.REPLAN, confidence=UNSURE))
    assert decide(unsure) == Consult(DoctorTier.STRONG, "the cheap doctor is unsure (0.50)")


def test_a_fix_is_the_doctors_commands() -> None:
    assert decide(facts(**ordered(DoctorAction.EXECUTE_FIX))) == Fix((COMMAND,))


# an order that is not taken, and the note about it
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (ordered(DoctorAction.EXECUTE_FIX) | {"allowed": ()}, "execute_fix refused: [('make'"),
        (ordered(DoctorAction.EXECUTE_FIX, commands=()), "execute_fix refused: no command"),
        (ordered(DoctorAction.ROLLBACK_RUN, commit="d" * 12), "rollback refused: no commit 'ddd"),
        (ordered(DoctorAction.REPLAN, hint=""), "replan refused: no new instructions"),
        (ASKED, None),
    ],
)
def test_what_a_doctor_may_not_order_is_refused_with_the_reason(
    given: dict[str, Any], words: str | None
) -> None:
    step = decide(facts(**given))
    assert isinstance(step, Decision)
    assert step.kind is RETRY
    assert step.prescription is not None
    refused = step.prescription.refused
    assert refused is None if words is None else words in (refused or "")


def test_a_rollback_names_the_whole_commit_and_a_replan_the_instructions() -> None:
    back, anew = (
        decide(facts(**ordered(action)))
        for action in (DoctorAction.ROLLBACK_RUN, DoctorAction.REPLAN)
    )
    assert isinstance(back, Decision)
    assert isinstance(anew, Decision)
    assert back.prescription is not None
    assert anew.prescription is not None
    assert (back.prescription.commit, anew.prescription.text) == (COMMIT, "try this")


def test_a_person_is_asked_about_the_cap() -> None:
    step = decide(facts(exhausted=CAP, ask_at_cap=True))
    assert isinstance(step, Decision)
    assert (step.exhausted, step.reason) == (CAP, str(CAP))


def test_a_cap_ends_the_run_before_the_build_is_paid_for() -> None:
    assert stop_at_cap(CAP) == Decision(
        STOP, "run r: 120 of 100 tokens are used up", run_state=BUDGET
    )


MOST_STEPS = MOST_MITIGATIONS + CALLS_A_PHASE + 1
"""Of one attempt: mitigations, a cheap doctor and a strong one, and a fix."""
MOST_TAKEN = MOST_ROUNDS + MOST_MITIGATIONS + 1
"""Every review, and each time that what it said is taken again after something else was tried."""


@given(st.data())
def test_every_attempt_comes_to_its_end_whatever_each_step_brings(data: st.DataObject) -> None:
    causes, actions = st.sampled_from(Cause), st.sampled_from(DoctorAction)
    cause = data.draw(causes)
    now = facts(
        cause,
        doctor=data.draw(st.booleans()),
        builds=data.draw(st.integers(0, 6)),
        exhausted=data.draw(st.sampled_from([None, CAP])),
        history=data.draw(st.sampled_from([SOME_LEFT, NONE_LEFT])),
        mitigates=data.draw(st.booleans()),
        possible=("known",),
        review=data.draw(st.sampled_from([None, ReviewFacts()])),
    )
    seen = list[Step]()
    while not isinstance(step := decide(now), Decision):
        seen.append(kind(step))
        assert len(seen) <= MOST_STEPS + MOST_TAKEN, seen
        left = data.draw(st.none() | causes.map(failed))
        repair, doctor = now.repair, now.doctor
        match step:
            case Mitigate():
                helped = left is None or data.draw(st.booleans())
                after = left if helped else repair.failure
                repair = repair.mitigated(Tried(step.pattern_id, helped), after, ())
            case Consult():
                assert doctor is not None
                calls = doctor.consultation.calls
                calls = replace(calls, phase=calls.phase + 1, run=calls.run + 1)
                if data.draw(st.booleans()):
                    said = answer(data.draw(actions), data.draw(st.sampled_from([SURE, UNSURE])))
                    asked = replace(doctor.consultation, calls=calls)
                    doctor = replace(doctor, consultation=asked, answer=said, tier=step.tier)
                else:
                    repair = replace(repair, unanswered=True)
            case Fix():
                repair = replace(repair, failure=left and repair.failure, fix_ran=True)
            case Review():
                review = now.review
                assert review is not None
                if review.verdict is None:
                    verdict = data.draw(st.sampled_from(Verdict))
                    review = replace(review, verdict=verdict, rounds=review.rounds + 1)
                if review.verdict is Verdict.REJECT:
                    repair = replace(repair, failure=failed(Cause.REVIEW_REJECTED))
                now = replace(now, review=review)
        if isinstance(step, Mitigate | Fix) and now.review is not None and data.draw(st.booleans()):
            now = replace(now, review=replace(now.review, verdict=None))  # another commit
        now = replace(now, repair=repair, doctor=doctor)
    assert len(seen) <= MOST_STEPS + MOST_TAKEN
    assert seen.count(Review) <= MOST_TAKEN
    assert step.kind is not DecisionKind.DEFER


@pytest.mark.parametrize("allowed", [1, 2, 5])
@given(st.data())
def test_every_phase_comes_to_its_end_whatever_its_attempts_bring(
    allowed: int, data: st.DataObject
) -> None:
    """Attempts, replans and the minutes that a provider is waited for are all used up some time."""
    ended, replans, outage, patience = 0, 0, 0.0, 600.0
    for attempt in range(1000):
        cause = data.draw(st.sampled_from(sorted(USUAL | WAIT))) if attempt < 30 else Cause.TIMEOUT
        ended += POLICIES[cause].counts
        outage = outage + 60.0 if cause in WAIT else 0.0
        history = History(ended, allowed, (replans, replans), outage, patience)
        action = data.draw(st.sampled_from(DoctorAction)) if attempt < 30 else DoctorAction.REPLAN
        given = ordered(action) | {"fix_ran": True, "history": history}
        step = decide(facts(cause, **given))
        assert isinstance(step, Decision)
        if step.kind is REPLAN:
            ended, replans = 0, replans + 1
        elif step.kind is not RETRY:
            break
    else:
        pytest.fail("the phase goes on for ever")
    assert attempt <= 30 + 2 * allowed
