"""What follows an attempt: one pure function from facts to the next step.

A step either meets the failure without another build, after which there are new facts to decide
from, or it ends the attempt with a `Decision`. The caller repeats: carry the step out, decide
again. Every attempt comes to its Decision: mitigations, calls and fixes are counted in the facts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from autopack.model.budget import Exhausted
from autopack.model.causes import POLICIES, CausePolicy, Failure
from autopack.model.commands import Command
from autopack.model.states import RunState
from autopack.repair.doctor.doctor import DoctorAction
from autopack.repair.doctor.prescription import Prescription, prescribe
from autopack.repair.doctor.routing import DoctorTier, route
from autopack.repair.facts import DoctorFacts, Facts, History, ReviewFacts
from autopack.repair.review.reviewer import Verdict

MOST_MITIGATIONS = 4
"""How many failures of one attempt are met, one after the other."""

MOST_ROUNDS = 2
"""How often a phase is reviewed."""

REPLANS_A_PHASE = 1
REPLANS_A_RUN = 5


@dataclass(frozen=True)
class Mitigate:
    """Carry out what the pattern proposes, then judge the attempt again."""

    pattern_id: str


@dataclass(frozen=True)
class Consult:
    """Ask the doctor of this tier; ``reason`` is why that one."""

    tier: DoctorTier
    reason: str


@dataclass(frozen=True)
class Fix:
    """Run the commands that a doctor ordered, then judge the attempt again."""

    commands: tuple[Command, ...]


@dataclass(frozen=True)
class Review:
    """Ask the reviewer about a commit that passes, or take what was said of it: a rejection is
    the attempt's failure from then on.
    """


Repair = Mitigate | Consult | Fix | Review
"""The steps after which the same attempt is decided about again."""


class DecisionKind(StrEnum):
    """The ways on from an attempt."""

    COMPLETE = "complete"
    RETRY = "retry"
    REPLAN = "replan"
    ROLLBACK = "rollback"
    SKIP = "skip"
    STOP = "stop"
    WAIT = "wait"
    """For a person: the run has a question."""
    DEFER = "defer"
    """Until something outside the run changes; nothing was started or spent."""


@dataclass(frozen=True)
class Decision:
    """What follows an attempt, and why. Flows carry it out.

    ``keep_work``: the next attempt at the phase starts from this one's tree, else from the
    branch. ``run_state``: where a stopped run ends. ``seconds``: how long a deferred phase waits.
    ``idle``: that wait is not working time of the run. ``exhausted`` is the cap that a person is
    asked about, ``prescription`` what a doctor had to say.
    """

    kind: DecisionKind
    reason: str
    keep_work: bool = False
    run_state: RunState | None = None
    seconds: float = 0.0
    idle: bool = False
    exhausted: Exhausted | None = None
    prescription: Prescription | None = None


def decide(facts: Facts) -> Repair | Decision:
    """Decide what follows an attempt that was judged.

    Order matters: what needs no model goes first, then a doctor, and what it orders ends the
    attempt or is one more thing to try.
    """
    failure = facts.repair.failure
    if failure is None:
        return _passed(facts.review, changed=facts.changed)
    if (mitigation := _mitigation(facts)) is not None:
        return mitigation
    if (doomed := _doomed(facts, failure)) is not None:
        return doomed
    prescription: Prescription | None = None
    if facts.doctor is not None:
        if (call := _call(facts, facts.doctor)) is not None:
            return call
        prescription = _prescription(facts.doctor)
        fixes = prescription is not None and prescription.action is DoctorAction.EXECUTE_FIX
        if prescription is not None and fixes and not facts.repair.fix_ran:
            return Fix(prescription.commands)
    policy = POLICIES[failure.cause]
    ending = _ending(facts, failure, policy, prescription)
    keeps = policy.keeps_work and ending.kind in _SAME_PHASE_AGAIN
    return replace(ending, keep_work=keeps, prescription=prescription)


_SAME_PHASE_AGAIN = frozenset({DecisionKind.RETRY, DecisionKind.WAIT, DecisionKind.STOP})
"""After these another attempt may follow at the phase as it is: also of a stopped run, once it is
resumed or has more budget."""


def _passed(review: ReviewFacts | None, *, changed: bool) -> Review | Decision:
    """Decide about what passes its checks: a reviewer has its say, then a person where one must.

    What a reviewer objects to is a failure like any other. Only an approval approves: one that
    is silent, or not to be understood, leaves the plan's policy to decide.
    """
    passes = (
        "the commit is in scope and passes its checks"
        if changed
        else "nothing was changed, and the checks pass as they are"
    )
    if review is None:
        return Decision(DecisionKind.COMPLETE, passes)
    unseen = review.verdict is None and review.rounds < MOST_ROUNDS
    if review.verdict is Verdict.REJECT or unseen:
        return Review()
    if review.verdict is Verdict.APPROVE:
        return Decision(DecisionKind.COMPLETE, f"{passes}, and the reviewer approves it")
    if review.verdict is None:
        why = f"it was not reviewed again: the phase's {MOST_ROUNDS} reviews are used up"
    else:
        why = f"the review is inconclusive: {review.why}"
    if not review.required:
        return Decision(DecisionKind.COMPLETE, f"{passes}; {why}")
    if review.accepted is not None:
        return Decision(DecisionKind.COMPLETE, f"{passes}; {why}; accepted by {review.accepted}")
    return Decision(DecisionKind.WAIT, f"{passes}, but {why}; a person decides")


def _mitigation(facts: Facts) -> Mitigate | None:
    """Meet the failure by the first pattern that knows it, unless the last one did not help."""
    tried = facts.repair.tried
    gave_up = len(tried) >= MOST_MITIGATIONS or (bool(tried) and not tried[-1].helped)
    if not facts.mitigates or gave_up or not facts.possible:
        return None
    return Mitigate(facts.possible[0])


def _doomed(facts: Facts, failure: Failure) -> Decision | None:
    """End the phase at once where a pattern that has earned it says that no attempt helps.

    The provider's own trouble passes, whatever a text reminds of.
    """
    tried, policy = facts.repair.tried, POLICIES[failure.cause]
    if not tried or not tried[-1].stops or policy.waits:
        return None
    return Decision(
        DecisionKind.STOP,
        f"{tried[-1].pattern_id}: another attempt would fail like this one: {failure.message}",
        run_state=policy.ends,
        keep_work=policy.keeps_work,
    )


def _call(facts: Facts, doctor: DoctorFacts) -> Consult | None:
    """Ask a doctor when the rules say so and a cap leaves room for the build after it.

    The strong one has the last word, and one that did not answer is not asked again.
    """
    if facts.exhausted is not None or facts.repair.unanswered or facts.repair.fix_ran:
        return None
    if doctor.tier is DoctorTier.STRONG:
        return None
    sure = None if doctor.answer is None else doctor.answer.confidence
    chosen = route(replace(doctor.consultation, cheap_confidence=sure))
    return None if chosen.tier is None else Consult(chosen.tier, chosen.reason)


def _prescription(doctor: DoctorFacts) -> Prescription | None:
    if doctor.answer is None:
        return None
    return prescribe(doctor.answer, allowed=doctor.allowed, commits=doctor.commits)


def _ending(
    facts: Facts, failure: Failure, policy: CausePolicy, prescription: Prescription | None
) -> Decision:
    """End a failed attempt that nothing more is tried on.

    Order matters: giving up needs no cap, a cause that no attempt can fix stops at once, caps
    come before another try, no matter what asks for it, and trouble of the provider's is waited
    for and uses up no attempt.
    """
    history = facts.history
    action = prescription.action if prescription else None
    if prescription and action is DoctorAction.MARK_FATAL:
        return Decision(
            DecisionKind.STOP,
            prescription.reason,
            run_state=RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW,
        )
    if prescription and action is DoctorAction.SKIP_PHASE:
        return Decision(DecisionKind.SKIP, prescription.reason)
    if not policy.retry:
        return Decision(DecisionKind.STOP, failure.message, run_state=policy.ends)
    if facts.exhausted is not None:
        return stop_at_cap(facts.exhausted, ask=facts.ask_at_cap)
    if policy.waits:
        return _wait_for_provider(history, failure)
    if prescription and action is DoctorAction.ROLLBACK_RUN:
        return Decision(DecisionKind.ROLLBACK, prescription.reason)
    if prescription and action is DoctorAction.REPLAN and _may_replan(history):
        return Decision(DecisionKind.REPLAN, prescription.reason)
    if history.ended >= history.allowed:
        return Decision(
            DecisionKind.STOP,
            f"{history.ended} of {history.allowed} attempts failed, the last one with "
            f"{failure.cause.value}",
            run_state=policy.ends,
        )
    return Decision(
        DecisionKind.RETRY, f"{failure.cause.value}: attempt {history.ended} of {history.allowed}"
    )


def _wait_for_provider(history: History, failure: Failure) -> Decision:
    """Try again when the provider is back; its trouble says nothing about the attempt."""
    if history.outage >= history.patience:
        return give_up_waiting(history.outage, failure.message)
    return Decision(
        DecisionKind.RETRY,
        f"{failure.cause.value}: {history.pause:.0f} s pause; no attempt is used up",
        seconds=history.pause,
    )


def give_up_waiting(seconds: float, why: str) -> Decision:
    """The run's patience with its provider is over: it ends, and can be resumed."""
    return Decision(
        DecisionKind.STOP,
        f"the provider has been failing for {seconds / 60:.0f} minutes: {why}; "
        "`autopack resume` continues the run when it is back",
        run_state=RunState.DONE_FAILED_ENVIRONMENT,
    )


def _may_replan(history: History) -> bool:
    phase, run = history.replans
    return phase < REPLANS_A_PHASE and run < REPLANS_A_RUN


def stop_at_cap(exhausted: Exhausted, *, ask: bool = False) -> Decision:
    """No room for another build: the run ends before it is paid for, or asks for more."""
    if ask:
        return Decision(DecisionKind.WAIT, str(exhausted), exhausted=exhausted)
    return Decision(
        DecisionKind.STOP, str(exhausted), run_state=RunState.DONE_FAILED_BUDGET_EXHAUSTED
    )
