"""What an exception's name, or without one its message, says about the cause."""

from __future__ import annotations

import re

from autopack.model.causes import FailureCause
from autopack.repair.classify.phrases import Phrases

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
    """The cause that a match of one of the patterns above stands for."""
    names = found.groupdict()
    if names.get("assert") or names.get("expected"):
        return FailureCause.ASSERTION_FAILURE
    return by_name(names.get("name") or names["other"])


def by_name(name: str) -> FailureCause:
    """The cause that an exception called ``name`` (with or without its module) stands for."""
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


_MESSAGES = (
    (
        FailureCause.SYNTAX_ERROR,
        Phrases(
            {
                "invalid syntax": None,
                "unterminated ": r"\bunterminated [\w-]{1,30}(?: [\w-]{1,30}){0,3} literal\b",
                "unexpected indent": None,
                "syntax error": r"\bsyntax error[:,]",
                "error TS1": r"\berror TS1\d{3}:",
            }
        ),
    ),
    (
        FailureCause.IMPORT_ERROR,
        Phrases(
            {
                "cannot import name": None,
                "attempted relative import": None,
                "No module named": None,
                "Cannot find ": r"\bCannot find (?:module|package) '",
                "no required module provides package": None,
                # Rust: an unresolved import or path, a crate or a module's file that is not there.
                "error[E0": r"\berror\[E0(?:432|433|463|583)\]:",
                "could not find `": r"\bcould not find `[^`\n]{1,100}` in\b",
                "package ": r"\berror: package [\w.]{1,200} does not exist\b",
                "is not in std": None,
                "Failed to resolve import": None,
                "error TS2307": None,
            }
        ),
    ),
    (
        FailureCause.TYPE_ERROR,
        Phrases(
            {
                "got an unexpected keyword argument": None,
                " required ": r"\bmissing \d{1,3} required (?:positional|keyword)",
                "unsupported operand type": None,
                "object is not ": r"\bobject is not (?:callable|iterable|subscriptable)\b",
                "error TS2": r"\berror TS2\d{3}:",
                ": error: ": r": error: [^\n]{1,300}  \[[a-z-]{1,40}\]$",
                "error[E0": r"\berror\[E0\d{3}\]:",
                "cannot use ": r"\bcannot use [^\n]{1,200} as [^\n]{1,100} value in\b",
            }
        ),
    ),
    (
        FailureCause.RUNTIME_ERROR,
        Phrases(
            {
                "has no attribute": None,
                "is not defined": r"\bname '\w{1,80}' is not defined\b",
                "too many values to unpack": None,
                "not associated with a value": None,
                "panic: ": r"^panic: ",
                "no such table": None,
                "has no column named": None,
            }
        ),
    ),
)


def by_message(text: str) -> tuple[FailureCause, int] | None:
    """The cause that a message without a name stands for, and its position."""
    for cause, phrases in _MESSAGES:
        position = phrases.find(text)
        if position is not None:
            return cause, position
    return None
