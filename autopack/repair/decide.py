"""What to do after a failed attempt: one pure function from facts to a decision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from autopack.model.budget import Exhausted
from autopack.model.causes import POLICIES, Failure
from autopack.model.states import RunState
from autopack.repair.doctor.protocol import DoctorAction


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

    ``keep_work``: the next attempt starts from the last one's tree. ``run_state``: where a
    stopped run ends. ``seconds``: how long a deferred phase waits. ``idle``: that
    wait is not working time of the run.
    """

    kind: DecisionKind
    reason: str
    keep_work: bool = False
    run_state: RunState | None = None
    seconds: float = 0.0
    idle: bool = False


@dataclass(frozen=True)
class History:
    """The attempts of a phase so far: those used up, this one included, and how many are allowed.

    ``replans`` counts those of the phase and of the whole run. ``outage`` is how long the
    provider has been in trouble, ``patience`` how long the run may wait for it, in seconds;
    ``pause`` is the wait before the next build while it is.
    """

    ended: int
    allowed: int
    replans: tuple[int, int] = (0, 0)
    outage: float = 0.0
    patience: float = math.inf
    pause: float = 0.0


@dataclass(frozen=True)
class Prescription:
    """What a doctor wants done; ``text`` is a hint or new instructions, ``commit`` a commit."""

    action: DoctorAction
    reason: str
    text: str = ""
    commit: str = ""


REPLANS_A_PHASE = 1
REPLANS_A_RUN = 5


def decide(
    history: History,
    failure: Failure | None,
    exhausted: Exhausted | None,
    prescription: Prescription | None = None,
    *,
    ask_at_cap: bool = False,
) -> Decision:
    """Decide after an attempt that ended; ``failure`` is None when it passed.

    Order matters: a success is never turned down for a cap that it reached on the way, giving up
    needs no cap, a cause that no attempt can fix stops at once, caps come before another try,
    no matter what asks for it, and trouble of the provider's is waited for and uses up no attempt.
    """
    if failure is None:
        return Decision(DecisionKind.COMPLETE, "the commit is in scope and passes its checks")
    policy = POLICIES[failure.cause]
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
    if exhausted is not None:
        return stop_at_cap(exhausted, ask=ask_at_cap)
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
        DecisionKind.RETRY,
        f"{failure.cause.value}: attempt {history.ended} of {history.allowed}",
        keep_work=policy.keeps_work,
    )


def _wait_for_provider(history: History, failure: Failure) -> Decision:
    """Try again when the provider is back; its trouble says nothing about the attempt."""
    if history.outage >= history.patience:
        return give_up_waiting(history.outage, failure.message)
    return Decision(
        DecisionKind.RETRY,
        f"{failure.cause.value}: {history.pause:.0f} s pause; no attempt is used up",
        keep_work=POLICIES[failure.cause].keeps_work,
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
        return Decision(DecisionKind.WAIT, str(exhausted))
    return Decision(
        DecisionKind.STOP, str(exhausted), run_state=RunState.DONE_FAILED_BUDGET_EXHAUSTED
    )
