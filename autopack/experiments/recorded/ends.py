"""What every way in which a run can end, or stand, says of what it was to try.

One table, from which validity of pairs, replay lanes, naive figures, regression to the mean and
effects are all derived: an end that is no outcome is counted nowhere, neither as a success nor as
a failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from autopack.model.causes import POLICIES, FailureCause
from autopack.model.states import RunState


class Outcome(StrEnum):
    """What an end counts as."""

    SUCCESS = "success"
    FAILURE = "failure"
    VOID = "void"
    """It ended, and says nothing of the agent."""
    NOT_YET = "not yet"

    @property
    def counts(self) -> bool:
        """Whether it says something of the agent."""
        return self in (Outcome.SUCCESS, Outcome.FAILURE)


class End(StrEnum):
    """How a run ended, or where it stands."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    OUT_OF_SCOPE = "out of scope"
    OWN_BUDGET = "own budget used up"
    SHARED_BUDGET = "shared budget used up"
    NO_PRICE = "no known price"
    INFRASTRUCTURE = "infrastructure failure"
    UNDELIVERED = "not delivered"
    CANCELLED = "cancelled"
    NOT_STARTED = "not started"
    UNDER_WAY = "under way"
    WAITING = "waiting for a person"


@dataclass(frozen=True)
class Rule:
    """``kind`` begins the reason for which a pair is void, with the name of the arm in it."""

    outcome: Outcome
    why: str
    kind: str = ""


def _void(kind: str, why: str) -> Rule:
    return Rule(Outcome.VOID, why, kind)


_INFRASTRUCTURE = "infrastructure failure in {arm}"
_LATER = "{arm} has not finished"

RULES: Mapping[End, Rule] = MappingProxyType(
    {
        End.SUCCEEDED: Rule(Outcome.SUCCESS, "every phase is complete, and the branch delivered"),
        End.FAILED: Rule(Outcome.FAILURE, "the agent had its attempts, or what it made fails"),
        End.OUT_OF_SCOPE: Rule(Outcome.FAILURE, "the agent changed what it must not"),
        End.OWN_BUDGET: Rule(Outcome.FAILURE, "it had all that a run of its plan may spend"),
        End.SHARED_BUDGET: _void(
            "shared budget ended {arm}", "what other runs had spent ended it, not what it did"
        ),
        End.NO_PRICE: _void(
            "no known price in {arm}", "a cap on money ended it that could not be counted against"
        ),
        End.INFRASTRUCTURE: _void(
            _INFRASTRUCTURE, "the provider, the builder's program or the machine ended it"
        ),
        End.UNDELIVERED: _void(
            _INFRASTRUCTURE, "its work was done, and a repository did not take it"
        ),
        End.CANCELLED: _void(_INFRASTRUCTURE, "a person ended it"),
        End.NOT_STARTED: Rule(Outcome.NOT_YET, "it is yet to begin", _LATER),
        End.UNDER_WAY: Rule(Outcome.NOT_YET, "it is being worked on, or will be resumed", _LATER),
        End.WAITING: Rule(Outcome.NOT_YET, "a person has a question to answer", _LATER),
    }
)

# Where a run is when nothing else is known of it.
_OF_STATE: Mapping[RunState, End] = MappingProxyType(
    {
        RunState.RUN_CREATED: End.NOT_STARTED,
        RunState.PHASE_EXECUTION: End.UNDER_WAY,
        RunState.AWAITING_APPROVAL: End.WAITING,
        RunState.DONE_SUCCESS: End.SUCCEEDED,
        RunState.DONE_FAILED_BUDGET_EXHAUSTED: End.OWN_BUDGET,
        RunState.DONE_FAILED_POLICY_VIOLATION: End.OUT_OF_SCOPE,
        RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW: End.FAILED,
        RunState.DONE_FAILED_ENVIRONMENT: End.INFRASTRUCTURE,
        RunState.DONE_CANCELLED: End.CANCELLED,
    }
)


def end_of(
    state: RunState,
    *,
    cause: FailureCause | None = None,
    undelivered: bool = False,
    starved: bool = False,
    unpriced: bool = False,
) -> End:
    """Return how a run in ``state`` ended, or where it stands.

    ``cause`` is why its last phase failed, where one did. ``undelivered``: all its work is done,
    and only its repository or its remote did not take it. ``starved``: a budget that it shared
    with other runs ended it. ``unpriced``: a cap on money did, over calls without a known price.
    """
    found = _OF_STATE[state]
    if found is End.FAILED and undelivered:
        return End.UNDELIVERED
    if found is End.OWN_BUDGET and starved:
        return End.SHARED_BUDGET
    if found is End.OWN_BUDGET and unpriced:
        return End.NO_PRICE
    failed = RULES[found].outcome is Outcome.FAILURE
    if failed and cause is not None and POLICIES[cause].infrastructure:
        # A doctor that gave it up, or a budget that ran out meanwhile, does not make it the
        # agent's failure.
        return End.INFRASTRUCTURE
    return found
