"""When a doctor is asked about a failing phase, and which one: one pure function."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from autopack.model.causes import POLICIES, FailureCause

BUILDS_BEFORE_DOCTOR = 2
CALLS_A_PHASE = 2
CALLS_A_RUN = 10
INFRASTRUCTURE_CALLS_A_RUN = 5
STRONG_CALLS_A_RUN = 5

CATEGORIES_FOR_STRONG = 2
PATCH_ERRORS_FOR_STRONG = 2
BUILDS_FOR_STRONG = 4
HEALTH_FOR_STRONG = 0.8
CONFIDENCE_TO_TRUST_CHEAP = 0.7


class DoctorTier(StrEnum):
    """Which doctor: the cheap model goes first, the strong one is for what is hard."""

    CHEAP = "cheap"
    STRONG = "strong"


class Category(StrEnum):
    """What kind of trouble a cause is, for choosing a doctor."""

    PATCH = "patch"
    SCOPE = "scope"
    IMPORT = "import"
    LOGIC = "logic"
    SYNTAX = "syntax"
    VALIDATION = "validation"
    INFRASTRUCTURE = "infrastructure"


CATEGORY_OF = {
    FailureCause.PATCH_CONFLICT: Category.PATCH,
    FailureCause.EMPTY_CHANGE: Category.PATCH,
    FailureCause.UNUSABLE_CONTENT: Category.PATCH,
    FailureCause.OUT_OF_SCOPE: Category.SCOPE,
    FailureCause.DELIVERABLE_MISSING: Category.SCOPE,
    FailureCause.COLLECTION_ERROR: Category.IMPORT,
    FailureCause.IMPORT_ERROR: Category.IMPORT,
    # A failed assertion is what every wrong first try looks like; these are faults of reasoning.
    FailureCause.TYPE_ERROR: Category.LOGIC,
    FailureCause.RUNTIME_ERROR: Category.LOGIC,
    FailureCause.SYNTAX_ERROR: Category.SYNTAX,
    FailureCause.ASSERTION_FAILURE: Category.VALIDATION,
    FailureCause.LINT_ERROR: Category.VALIDATION,
    FailureCause.VALIDATION_FAILED: Category.VALIDATION,
    FailureCause.TIMEOUT: Category.VALIDATION,
    # Its checks pass: what a reviewer objects to is a fault of reasoning.
    FailureCause.REVIEW_REJECTED: Category.LOGIC,
    FailureCause.PROVIDER_ERROR: Category.INFRASTRUCTURE,
    FailureCause.RATE_LIMIT: Category.INFRASTRUCTURE,
    FailureCause.PROVIDER_REFUSED: Category.INFRASTRUCTURE,
    FailureCause.BUILDER_ERROR: Category.INFRASTRUCTURE,
    FailureCause.ENVIRONMENT: Category.INFRASTRUCTURE,
}


@dataclass(frozen=True)
class Calls:
    """How many doctor calls were made: in this phase, and in the whole run by kind."""

    phase: int = 0
    run: int = 0
    run_infrastructure: int = 0
    run_strong: int = 0


@dataclass(frozen=True)
class Consultation:
    """What the rules look at.

    ``causes`` are those of the phase's failed attempts, oldest first, the present one last;
    ``builds`` its builds that ended. ``health`` is the run's failed attempts over what it may
    have, 0 to 1. ``intervened`` tells whether a doctor already had this phase replanned, rolled
    back or marked fatal. ``cheap_confidence`` is that of the cheap doctor's answer to this very
    failure, None before it was asked.
    """

    causes: tuple[FailureCause, ...]
    builds: int
    calls: Calls = Calls()
    health: float = 0.0
    intervened: bool = False
    cheap_confidence: float | None = None


@dataclass(frozen=True)
class Route:
    """The doctor to ask, or None, and why."""

    tier: DoctorTier | None
    reason: str


def route(case: Consultation) -> Route:
    """Decide whether to ask a doctor about the last of ``case.causes``, and which one.

    Limits come first. An escalation after an unsure cheap answer is a call like any other; when
    the strong calls of a run are used up the cheap doctor is asked instead, but never twice about
    the same failure.
    """
    infrastructure = POLICIES[case.causes[-1]].infrastructure
    spent = _spent(case.calls, infrastructure=infrastructure)
    if spent:
        return Route(None, spent)
    if case.cheap_confidence is not None:
        return _after_cheap(case.cheap_confidence, case.calls)
    if case.builds < BUILDS_BEFORE_DOCTOR and not infrastructure:
        return Route(None, f"{case.builds} of the {BUILDS_BEFORE_DOCTOR} builds that come first")
    hard = _hard(case)
    if hard is None:
        return Route(DoctorTier.CHEAP, "a first opinion")
    if case.calls.run_strong >= STRONG_CALLS_A_RUN:
        return Route(DoctorTier.CHEAP, f"{hard}, but the run's strong calls are used up")
    return Route(DoctorTier.STRONG, hard)


def _spent(calls: Calls, *, infrastructure: bool) -> str | None:
    """Return which limit leaves no call, if one does."""
    if calls.phase >= CALLS_A_PHASE:
        return f"the phase's {CALLS_A_PHASE} doctor calls are used up"
    if calls.run >= CALLS_A_RUN:
        return f"the run's {CALLS_A_RUN} doctor calls are used up"
    if infrastructure and calls.run_infrastructure >= INFRASTRUCTURE_CALLS_A_RUN:
        return f"the run's {INFRASTRUCTURE_CALLS_A_RUN} calls about infrastructure are used up"
    return None


def _after_cheap(confidence: float, calls: Calls) -> Route:
    if confidence >= CONFIDENCE_TO_TRUST_CHEAP:
        return Route(None, f"the cheap doctor is sure enough ({confidence:.2f})")
    if calls.run_strong >= STRONG_CALLS_A_RUN:
        return Route(None, "the cheap doctor is unsure, but the run's strong calls are used up")
    return Route(DoctorTier.STRONG, f"the cheap doctor is unsure ({confidence:.2f})")


def _hard(case: Consultation) -> str | None:
    """Return why the failure is one for the strong doctor, or None."""
    categories = {CATEGORY_OF[cause] for cause in case.causes}
    patch_errors = sum(CATEGORY_OF[cause] is Category.PATCH for cause in case.causes)
    last = CATEGORY_OF[case.causes[-1]]
    if len(categories) >= CATEGORIES_FOR_STRONG:
        return f"{len(categories)} kinds of errors"
    if patch_errors >= PATCH_ERRORS_FOR_STRONG:
        return f"{patch_errors} patch errors"
    if case.builds >= BUILDS_FOR_STRONG:
        return f"{case.builds} builds"
    if case.health >= HEALTH_FOR_STRONG:
        return f"{case.health:.0%} of the run's failures are used up"
    if last in (Category.IMPORT, Category.LOGIC):
        return f"an error of {last.value}"
    if case.intervened:
        return "an earlier intervention did not help"
    return None
