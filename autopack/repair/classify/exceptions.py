"""What an exception's name, or without one its message, says about the cause."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from autopack.model.causes import FailureCause
from autopack.repair.classify.phrases import Phrases
from autopack.toolchains.toolchain_registry import toolchains

_BY_NAME = {
    "SyntaxError": FailureCause.SYNTAX_ERROR,
    "IndentationError": FailureCause.SYNTAX_ERROR,
    "TabError": FailureCause.SYNTAX_ERROR,
    "ImportError": FailureCause.IMPORT_ERROR,
    "ModuleNotFoundError": FailureCause.IMPORT_ERROR,
    "TypeError": FailureCause.TYPE_ERROR,
    "AssertionError": FailureCause.ASSERTION_FAILURE,
    "AssertionFailedError": FailureCause.ASSERTION_FAILURE,
    "ComparisonFailure": FailureCause.ASSERTION_FAILURE,
    "Failed": FailureCause.ASSERTION_FAILURE,
    "TimeoutExpired": FailureCause.TIMEOUT,
    "NoClassDefFoundError": FailureCause.IMPORT_ERROR,
    "ClassNotFoundException": FailureCause.IMPORT_ERROR,
    "MultipleFailuresError": FailureCause.ASSERTION_FAILURE,
    "ExpectationNotMetError": FailureCause.ASSERTION_FAILURE,
    "ExpectationFailedException": FailureCause.ASSERTION_FAILURE,
}
_SERVICE = re.compile(r"(?:Connection|Connect|HTTP|HTTPStatus|RemoteProtocol|API\w*)Error")

_NAME = (
    r"(?P<name>(?:[A-Za-z_]\w{0,80}\.){0,8}(?:[A-Z]\w{0,80}"
    r"(?:Error|Exception|Timeout|Expired|Failure|Interrupt|Disconnected)|Failed|StopIteration))"
)
_ASSERT = r"(?P<assert>assert)"
# Of Jest, bun, Playwright, PHPUnit and RSpec, which name no exception there.
_EXPECTED = (
    r"[ ]{0,12}(?:[Ee]rror: |Failure/Error: )?"
    r"(?P<expected>expect\(received\)|expect\(|Failed asserting that )"
)
# Where a runner shows an exception, it may have any name: TemplateNotFound, Empty, Http404.
_ANY_NAME = r"(?P<name>(?:[A-Za-z_]\w{0,80}\.){0,8}[A-Z]\w{0,80})"
SUMMARY = re.compile(
    rf"^(?:FAILED|ERROR) [^\n]{{1,400}}? - (?:{_ANY_NAME}(?:[:.]|$)|{_ASSERT} )", re.MULTILINE
)
"""An entry of pytest's short test summary."""
RAISED = re.compile(
    rf"^(?:(?:E[ ]{{1,12}}|[ \t]{{0,8}}){_NAME}(?:[ ]\[\w{{1,40}}\])?(?:: |:?$)"
    rf"|E[ ]{{1,12}}{_ASSERT} |{_EXPECTED})",
    re.MULTILINE,
)
"""The end of a traceback, plain or as pytest shows it, by a name that ends as errors do."""
SHOWN = re.compile(
    rf"^E[ ]{{3,12}}{_ANY_NAME}(?:: |$)(?P<assert>)"
    rf"|^[ ]{{2,8}}(?:File \"[^\n]{{1,400}}|[^\s][^\n]{{0,400}})\n(?:[ ]{{4,8}}[~^ ]{{1,400}}\n)?"
    rf"(?:[a-z_]\w{{0,80}}\.){{1,8}}(?P<other>[A-Z]\w{{0,80}})(?:: |$)",
    re.MULTILINE,
)
"""The same by any name: a class with its module after a frame, or where pytest shows an error."""
LOGGED = re.compile(rf"(?:: |[(`]|\. |- ){_NAME}(?:: |$|\()(?P<assert>)", re.MULTILINE)
"""An exception that a log line or a location ("a.py:3: KeyError") mentions."""


def cause_of(found: re.Match[str]) -> FailureCause:
    """Return the cause that a match of one of the patterns above stands for."""
    names = found.groupdict()
    if names.get("assert") or names.get("expected"):
        return FailureCause.ASSERTION_FAILURE
    return by_name(names.get("name") or names["other"])


def by_name(name: str) -> FailureCause:
    """Return the cause that an exception called ``name`` (with or without its module)
    stands for.
    """
    module, _, last = name.rpartition(".")
    if last in _BY_NAME:
        return _BY_NAME[last]
    if last.endswith("RateLimitError"):
        return FailureCause.RATE_LIMIT
    if module.startswith(("openai", "anthropic")):
        return FailureCause.PROVIDER_ERROR
    if "Timeout" in last:
        return FailureCause.TIMEOUT
    if _SERVICE.fullmatch(last) or last == "RemoteDisconnected":
        return FailureCause.PROVIDER_ERROR
    return FailureCause.RUNTIME_ERROR


_CAUSES = (
    FailureCause.SYNTAX_ERROR,
    FailureCause.IMPORT_ERROR,
    FailureCause.TYPE_ERROR,
    FailureCause.RUNTIME_ERROR,
)
"""In this order: a program that does not parse cannot import, and so on."""
_OF_ANYTHING: Mapping[FailureCause, Mapping[str, str | None]] = {
    FailureCause.SYNTAX_ERROR: {"syntax error": r"\bsyntax error[:,]"},
    FailureCause.RUNTIME_ERROR: {"no such table": None, "has no column named": None},
}


@cache
def _messages() -> tuple[tuple[FailureCause, Phrases], ...]:
    declared = [_OF_ANYTHING, *(one.messages for one in toolchains())]
    causes = dict.fromkeys((*_CAUSES, *(cause for each in declared for cause in each)))
    return tuple((cause, Phrases(*(each.get(cause, {}) for each in declared))) for cause in causes)


def by_message(text: str) -> tuple[FailureCause, int] | None:
    """Return the cause that a message without a name stands for, and its position."""
    for cause, phrases in _messages():
        position = phrases.find(text)
        if position is not None:
            return cause, position
    return None
