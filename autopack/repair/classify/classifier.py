"""Which cause a failed attempt has: one ordered classifier over exit status, output and diff.

A test runner's verdict is read first, because tests may print anything else. What a builder
printed is then read for what git, providers and machines say of themselves; what a check printed
is not, for a test may log "ECONNREFUSED" or "429" and mean neither: of the machine only the exit
status speaks there. Then come exceptions, the diff and the exit status. Only the bounded excerpt
of the output is read, in linear time.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from autopack.model.causes import POLICIES, FailureCause
from autopack.model.excerpt import excerpt
from autopack.repair.classify.exceptions import (
    LOGGED,
    RAISED,
    SHOWN,
    SUMMARY,
    by_message,
    cause_of,
)
from autopack.repair.classify.phrases import lowered
from autopack.repair.classify.statements import STATEMENTS
from autopack.toolchains.runners import saying

LONGEST_EVIDENCE = 300


@dataclass(frozen=True)
class Classified:
    """A cause, and the line that speaks for it ("" when the diff or the exit status did)."""

    cause: FailureCause
    evidence: str = ""

    @property
    def is_known(self) -> bool:
        """Whether more is known than that the attempt failed."""
        return self.cause is not FailureCause.VALIDATION_FAILED


def classify(*, exit_status: int | None, output: str, diff: str | None = None) -> Classified:
    """Return the cause of a failure from what a builder printed.

    ``exit_status`` is what the failed command returned, negative for a signal, None if unknown;
    ``diff`` the attempt's change in git's format, None where it is not to be judged.
    """
    text = excerpt(output)
    found = (
        _from_diff(diff)
        or _from_tests(text)
        or _from_statements(text)
        or _from_exceptions(text)
        or _empty(diff)
    )
    return found or Classified(by_exit(exit_status) or FailureCause.VALIDATION_FAILED)


def classify_check(*, exit_status: int | None, output: str, diff: str | None = None) -> Classified:
    """Return the cause of a failure from what a check printed, as ``classify`` does of a builder.

    Never one of the provider's or the machine's but by the exit status: 126, 127, or a signal
    from outside.
    """
    text = excerpt(output)
    found = _from_diff(diff) or _from_tests(text)
    if found is None and (cause := by_exit(exit_status)) is not None:
        return Classified(cause)
    found = found or _from_exceptions(text) or _empty(diff)
    if found is None:
        return Classified(FailureCause.VALIDATION_FAILED)
    if POLICIES[found.cause].infrastructure:
        return Classified(FailureCause.RUNTIME_ERROR, found.evidence)
    return found


def by_exit(status: int | None) -> FailureCause | None:
    """Return what an exit status says by itself; None for most."""
    return _BY_EXIT.get(status or 0)


def _from_diff(diff: str | None) -> Classified | None:
    if diff and _MARKERS.search(diff):
        return Classified(FailureCause.PATCH_CONFLICT, "the change holds conflict markers")
    return None


def _empty(diff: str | None) -> Classified | None:
    is_empty = diff is not None and not diff.strip()
    return Classified(FailureCause.EMPTY_CHANGE) if is_empty else None


_MARKERS = re.compile(r"^\+(?:<{7}|>{7}) ", re.MULTILINE)
_BY_EXIT = {
    124: FailureCause.TIMEOUT,  # of coreutils' timeout
    126: FailureCause.RUNTIME_ERROR,  # found, but may not be run: a file without its bit
    127: FailureCause.ENVIRONMENT,  # not found
    # Killed from outside, mostly for want of memory.
    137: FailureCause.ENVIRONMENT,
    -9: FailureCause.ENVIRONMENT,
    143: FailureCause.ENVIRONMENT,
    -15: FailureCause.ENVIRONMENT,
    # Crashes of the program itself: abort, illegal instruction, bus error, segmentation fault.
    **dict.fromkeys((134, -6, 132, -4, 135, -7, 139, -11), FailureCause.RUNTIME_ERROR),
}

# Of equally frequent causes the one that hides the others goes first.
_RANK = (
    FailureCause.SYNTAX_ERROR,
    FailureCause.IMPORT_ERROR,
    FailureCause.TYPE_ERROR,
    FailureCause.ASSERTION_FAILURE,
    FailureCause.RUNTIME_ERROR,
)


def _from_tests(text: str) -> Classified | None:
    """Return what a red test run crashed of, by its own summary where it has one."""
    not_collected = saying("uncollected").search(text)
    unbuilt = saying("unbuilt").search(text)
    red = saying("red").search(text)
    if unbuilt and not not_collected:
        line = _line_at(text, unbuilt.start())
        return _from_messages(text) or Classified(FailureCause.COLLECTION_ERROR, line)
    if not_collected:
        raised = _most(RAISED, text) or _most(SHOWN, text)
        if raised and raised.cause is FailureCause.SYNTAX_ERROR:
            return raised
        evidence = raised.evidence if raised else _line_at(text, not_collected.start())
        return Classified(FailureCause.COLLECTION_ERROR, evidence)
    if not red:
        return _from_findings(text)
    named = _most(SUMMARY, text) or _most(RAISED, text) or _most(SHOWN, text)
    named = named or _from_messages(text)
    return named or Classified(FailureCause.ASSERTION_FAILURE, _line_at(text, red.start()))


def _from_findings(text: str) -> Classified | None:
    """Return what a type checker or a linter found, by its own last words."""
    if found := saying("red", "types").search(text):
        line = _line_at(text, found.start())
        return _from_messages(text) or Classified(FailureCause.TYPE_ERROR, line)
    if found := saying("red", "style").search(text):
        return Classified(FailureCause.LINT_ERROR, _line_at(text, found.start()))
    return None


def _from_statements(text: str) -> Classified | None:
    folded = lowered(text)
    for cause, phrases in STATEMENTS:
        position = phrases.find(folded)
        if position is not None:
            return Classified(cause, _line_at(text, position))
    return None


def _from_exceptions(text: str) -> Classified | None:
    return _most(RAISED, text) or _most(SHOWN, text) or _most(LOGGED, text) or _from_messages(text)


def _from_messages(text: str) -> Classified | None:
    found = by_message(text)
    return Classified(found[0], _line_at(text, found[1])) if found else None


def _most(pattern: re.Pattern[str], text: str) -> Classified | None:
    """Return the most frequent cause among the exceptions that ``pattern`` finds."""
    counts: Counter[FailureCause] = Counter()
    first: dict[FailureCause, int] = {}
    for found in pattern.finditer(text):
        cause = cause_of(found)
        counts[cause] += 1
        first.setdefault(cause, found.start())
    if not counts:
        return None
    cause = max(counts, key=lambda each: (counts[each], -_rank(each)))
    return Classified(cause, _line_at(text, first[cause]))


def _rank(cause: FailureCause) -> int:
    return _RANK.index(cause) if cause in _RANK else len(_RANK)


def _line_at(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    return text[start : end if end >= 0 else None].strip()[:LONGEST_EVIDENCE]
