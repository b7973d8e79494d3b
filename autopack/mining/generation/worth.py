"""Which failures are worth a detector: few are, and each refusal has its reason.

A detector is for what the next attempt is not told anyway: a cause outside the change that is being
made, or a failure of which history says that no attempt, or the same one again, helps.
"""

from __future__ import annotations

import re

from autopack.mining.generation.proposal import proposed
from autopack.mining.stored.recurring import Recurring
from autopack.model.causes import POLICIES, FailureCause
from autopack.repair.patterns.declarative import LEAST_WORDS
from autopack.repair.patterns.line_pattern import LONGEST, LinePattern, words_in
from autopack.repair.signatures.masks import WILDCARD

LEAST_OCCURRENCES = 3
LEAST_PHASES = 2


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_OF_THE_CHANGE = frozenset(
    {
        FailureCause.ASSERTION_FAILURE,
        FailureCause.SYNTAX_ERROR,
        FailureCause.TYPE_ERROR,
        FailureCause.LINT_ERROR,
        FailureCause.IMPORT_ERROR,
        FailureCause.COLLECTION_ERROR,
        FailureCause.PATCH_CONFLICT,
        FailureCause.EMPTY_CHANGE,
        FailureCause.UNUSABLE_CONTENT,
        FailureCause.OUT_OF_SCOPE,
        FailureCause.DELIVERABLE_MISSING,
        FailureCause.REVIEW_REJECTED,
    }
)
"""Causes that are mistakes in a change: its builder is told of them, and puts them right."""

_MISTAKES = _words(
    """
    ArithmeticError AssertionError AttributeError ClassCastException EOFError FloatingPointError
    IllegalArgumentException IllegalStateException ImportError IndentationError IndexError
    IndexOutOfBoundsException KeyError LookupError ModuleNotFoundError NameError
    NotImplementedError NullPointerException OverflowError RangeError RecursionError
    ReferenceError StopIteration SyntaxError TabError TypeError UnboundLocalError
    UnicodeDecodeError UnicodeEncodeError ValueError ZeroDivisionError JSONDecodeError
    """
)
"""Exceptions that a language raises for a mistake in its code, whatever the project."""

_COMPILERS = re.compile(
    r"\[report\w+\]|\bundeclared\b|\bimported and not used\b|\bdeclared and not used\b"
    r"|\bcannot (?:find symbol|use|borrow)\b|\bis not defined\b|\bindex out of range\b"
    r"|\bnil pointer\b|\bfixture \S+ not found\b"
)
"""What compilers and checkers say of code, where the cause does not tell it."""

_GENERIC = _words(
    """
    abort aborted access after and any are argument arguments assignment attempt bad been
    because before being body both build but called caller cannot can caught change check
    checked checking checks class code command compilation compile compiling could dependencies
    dependency did does doe done during end ended error errors exception execute executed exit
    exited expected exists fail failed failing failure failures fatal file files find for format
    found from function given goal got had happened has have ignored install instance internal
    into invalid issue its job last left line lines main make match message method missing
    module more most must name native new next nil non none nor not null number object occurred
    only operation option options output own package packages panic panicked parameter parse
    parsing path process program programs project read reason recovered rejected required
    resolve resource result returned run running same script scripts see segmentation fault
    signal some something source spec start state status step stop stopped subprocess suite
    target task tasks test tests than that the their them then there thing this thread threw
    thrown too tree type types unable undefined unexpected unhandled unknown unsupported until
    use used user using valid value values variable version versions warning was were when where
    which while will with without working would wrong you your zero
    """
)
"""Words that failures of any kind are told in."""


def unfit(found: Recurring) -> str | None:
    """Return why a failure gives no detector; None for the few that may."""
    if found.known_pattern is not None:
        return f"the pattern {found.known_pattern} recognises it already"
    if found.count < LEAST_OCCURRENCES:
        return f"seen in {found.count} attempts, {LEAST_OCCURRENCES} are needed"
    if found.phases < LEAST_PHASES:
        return f"seen in one phase only, {LEAST_PHASES} are needed"
    return _vague(found) or _met_anyway(found)


def _vague(found: Recurring) -> str | None:
    line = LinePattern(tuple(found.normalised.split(WILDCARD)))
    if len(line.text) > LONGEST or "\n" in found.normalised:
        return "its line is too long for a detector"
    words = {word.lower() for word in words_in(line) if word != found.exception}
    shared = f"all that its texts share is {found.normalised[:80]!r}"
    if len(words) < LEAST_WORDS:
        return f"too vague: {shared}"
    if len(words - _GENERIC) < LEAST_WORDS:
        return f"too vague: {shared}, which failures of many kinds say"
    return None


def _met_anyway(found: Recurring) -> str | None:
    """Return what meets the failure without a detector, unless history says that a detector
    would.
    """
    mitigation, _ = proposed(found)
    if mitigation in ("stop_retrying", "rerun_once"):
        return None
    cause = next((one for one in FailureCause if one.value == found.type), None)
    if cause is not None and POLICIES[cause].waits:
        return "the provider's own trouble: a run waits for it anyway"
    if cause is not None and not POLICIES[cause].retry:
        return "no attempt follows it anyway: the run ends, and says why"
    if cause is FailureCause.ASSERTION_FAILURE:
        return "an assertion of the project's own tests: what it says differs with every task"
    mistake = cause in _OF_THE_CHANGE or found.exception in _MISTAKES
    if mistake or _COMPILERS.search(found.normalised):
        return "a mistake in the change itself: the next attempt is told of it anyway"
    return None
