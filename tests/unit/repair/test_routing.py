"""Every rule and boundary of whom a failing phase may consult."""

import pytest

from autopack.model.causes import FailureCause as Cause
from autopack.repair.doctor.routing import (
    CATEGORY_OF,
    Calls,
    Consultation,
    DoctorTier,
    route,
)

CHEAP, STRONG = DoctorTier.CHEAP, DoctorTier.STRONG
RED = Cause.ASSERTION_FAILURE


def case(*causes: Cause, builds: int = 2, **more) -> Consultation:
    return Consultation(causes or (RED,), builds=builds, **more)


RULES = [
    # two builds come first
    (case(builds=0), None, "builds that come first"),
    (case(builds=1), None, "builds that come first"),
    (case(builds=2), CHEAP, "first opinion"),
    # but not for infrastructure
    (case(Cause.PROVIDER_ERROR, builds=0), CHEAP, "first opinion"),
    (case(Cause.RATE_LIMIT, builds=1), CHEAP, "first opinion"),
    (case(Cause.ENVIRONMENT, builds=1), CHEAP, "first opinion"),
    # the last cause decides what is infrastructure
    (case(Cause.PROVIDER_ERROR, RED, builds=1), None, "builds that come first"),
    # at most two calls a phase
    (case(calls=Calls(phase=1, run=1)), CHEAP, "first opinion"),
    (case(calls=Calls(phase=2, run=2)), None, "the phase's 2"),
    # at most ten a run
    (case(calls=Calls(run=9)), CHEAP, "first opinion"),
    (case(calls=Calls(run=10)), None, "the run's 10"),
    # five of them about infrastructure
    (case(Cause.PROVIDER_ERROR, calls=Calls(run=4, run_infrastructure=4)), CHEAP, "first"),
    (case(Cause.PROVIDER_ERROR, calls=Calls(run=5, run_infrastructure=5)), None, "infrastructure"),
    (case(calls=Calls(run=5, run_infrastructure=5)), CHEAP, "first opinion"),
    # two kinds of errors
    (case(RED, RED), CHEAP, "first opinion"),
    (case(RED, Cause.SYNTAX_ERROR), STRONG, "2 kinds of errors"),
    (case(RED, Cause.TIMEOUT), CHEAP, "first opinion"),
    # two patch errors
    (case(Cause.PATCH_CONFLICT), CHEAP, "first opinion"),
    (case(Cause.PATCH_CONFLICT, Cause.EMPTY_CHANGE), STRONG, "2 patch errors"),
    # four builds
    (case(builds=3), CHEAP, "first opinion"),
    (case(builds=4), STRONG, "4 builds"),
    # the run's health
    (case(health=0.79), CHEAP, "first opinion"),
    (case(health=0.8), STRONG, "80% of the run's failures"),
    # imports and logic
    (case(Cause.IMPORT_ERROR), STRONG, "an error of import"),
    (case(Cause.COLLECTION_ERROR), STRONG, "an error of import"),
    (case(Cause.TYPE_ERROR), STRONG, "an error of logic"),
    (case(Cause.RUNTIME_ERROR), STRONG, "an error of logic"),
    (case(Cause.SYNTAX_ERROR), CHEAP, "first opinion"),
    # an earlier replan, rollback or fatal
    (case(intervened=True), STRONG, "earlier intervention"),
    # five strong calls a run, then the cheap one
    (case(builds=4, calls=Calls(run=4, run_strong=4)), STRONG, "4 builds"),
    (case(builds=4, calls=Calls(run=5, run_strong=5)), CHEAP, "strong calls are used up"),
    # an unsure cheap answer escalates
    (case(calls=Calls(1, 1), cheap_confidence=0.69), STRONG, "unsure (0.69)"),
    (case(calls=Calls(1, 1), cheap_confidence=0.7), None, "sure enough"),
    (case(builds=0, calls=Calls(1, 1), cheap_confidence=0.0), STRONG, "unsure"),
    # never past a limit
    (case(calls=Calls(2, 2), cheap_confidence=0.1), None, "the phase's 2"),
    (case(calls=Calls(1, 10), cheap_confidence=0.1), None, "the run's 10"),
    (case(calls=Calls(1, 6, run_strong=5), cheap_confidence=0.1), None, "used up"),
]


@pytest.mark.parametrize(("given", "tier", "reason"), RULES)
def test_rule(given: Consultation, tier: DoctorTier | None, reason: str) -> None:
    found = route(given)
    assert (found.tier, reason in found.reason) == (tier, True), found.reason


def test_every_cause_has_a_category() -> None:
    assert set(CATEGORY_OF) == set(Cause)
