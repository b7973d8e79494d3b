"""Which line of a failure text names the failure.

A text of one line is that line. Of more, the first line of the best rank: an exception or a
finding of a compiler as runners show them, then what calls itself an error, then what sounds like
one, then the last line that is not empty. Only the head and tail of a long text are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from autopack.model.excerpt import excerpt

# The failures of a project have most of their lines in common.
_LINES_KEPT = 10_000

LONGEST = 1_000
"""Characters of a line that are looked at; what differs behind that is no other failure."""

_NAME = (
    r"(?:[A-Za-z_][\w$]{0,80}[.:]{1,2}){0,8}[A-Z][\w$]{0,80}"
    r"(?:Error|Exception|Timeout|Expired|Failure|Interrupt|Exit|Warning|Disconnected)"
)
EXCEPTION = re.compile(
    rf"(?:E[ ]{{1,12}})?(?:Uncaught |Unhandled |Caused by: |Exception in thread \S{{1,40}} )?"
    rf"(?P<name>{_NAME})(?: \[[\w.-]{{1,60}}\])?(?::|$)"
)
"""A line that begins with an exception, as most runners show it."""

# Of equal rank the first line counts: what comes later is often only a consequence.
_STRUCTURED = re.compile(
    r"^(?:"
    rf"(?:E[ ]{{1,12}}|[ \t]{{0,12}})(?:Uncaught |Unhandled )?{_NAME}"
    r"(?: \[[\w.-]{1,60}\])?(?::|[ ]?$)[^\n]*"
    r"|E[ ]{1,12}(?:assert\b|Failed:|fixture ')[^\n]*"
    r"|(?:[a-z_]\w{0,60}\.){1,8}[A-Z]\w{0,60}(?::[ ][^\n]*|$)"
    rf"|Exception in thread \S{{1,40}} [^\n]*|Caused by: [^\n]*"
    r"|(?:fatal error: |panic: |error(?:\[[A-Z]\d{4}\]): )[^\n]*"
    r"|thread '[^'\n]{0,100}'(?: \(\d{1,9}\))? (?:has overflowed|panicked at)[^\n]*(?:\n[^\n]*)?"
    r"|[^\n]{1,300}?[:)] (?:fatal )?error(?: (?:TS|CS|C|LNK)\d{3,5})?: [^\n]*"
    r"|[^\s:]{1,200}:\d{1,6}:\d{1,5}: \S[^\n]*"
    r"|[A-Z]{1,5}\d{3,4} (?:\[\*\] )?[A-Z`][^\n]*"
    r"|[ \t]{0,12}\d{1,6}:\d{1,5}[ ]{1,8}error[ ][^\n]*"
    r"|\[ERROR\] [^\n:]{0,40}[/\\][^\n]{1,300}:\[?\d[^\n]*"
    r"|[ \t]{4,16}\w{1,80}_test\.go:\d{1,6}: [^\n]*"
    r"|[ \t]{0,12}(?:[Ee]rror: )?expect\((?:received|page|locator|\w{0,40})\)[^\n]*"
    r"|npm (?:ERR!|error) (?!code |errno |A complete|[ ]{0,4}/)[^\n]*"
    r"|(?:bash|sh|zsh|/bin/sh|/bin/bash)(?:: line \d{1,6})?: [^\n]*)",
    re.MULTILINE,
)
_CALLED_ERROR = re.compile(
    r"^[^\n]{0,120}?(?<![\w.-])(?:error|ERROR|Error|fatal|FATAL|Fatal|ERR!|panic|FAILURE|FAILED)"
    r"(?:\[[\w-]{1,20}\])?: [^\n]*\S[^\n]*"
    r"|^(?:\u00d7|✖|❌|✗|●) [^\n]*"
    r"|^FAILED [^\n]* - [^\n]*"
    r"|^\[(?:ERROR|FATAL|error)\] \S[^\n]*",
    re.MULTILINE,
)
_SOUNDS = re.compile(
    r"^[^\n]{0,300}?(?:\b(?:error|failed|failure|fatal|denied|refused|unreachable|[Kk]illed|aborted"
    r"|timed? ?out|not found|[Nn]o such|cannot|can't|could not|couldn't|unable to|exceeded|invalid"
    r"|unexpected|missing|undefined|unresolved|conflict|mismatch)\b|\bOut of memory\b)[^\n]*",
    re.MULTILINE | re.IGNORECASE,
)
_PASSING = re.compile(
    r"\b(?:0|no) (?:errors?|failed|failures?)\b|\.\.\. ok$|\bPASS(?:ED)?\b", re.IGNORECASE
)


class Rank(IntEnum):
    """How sure it is that a line names the failure, best first."""

    STRUCTURED = 0
    """It has the shape of a runner's or a compiler's finding."""
    CALLED_ERROR = 1
    SOUNDS_LIKE_ONE = 2
    LAST_LINE = 3
    """Nothing in the text looks like an error."""


@dataclass(frozen=True)
class Telling:
    """The line that names a failure."""

    line: str
    rank: Rank


def telling(text: str) -> Telling:
    """Return the line of ``text`` that names the failure; an empty one of an empty text."""
    read = excerpt(text).strip("\n")
    if "\n" not in read:
        found = _STRUCTURED.match(read)
        return Telling(_cut(read), Rank.CALLED_ERROR if found is None else Rank.STRUCTURED)
    lines = read.split("\n")
    ranks = [_rank(each) if len(each) <= LONGEST else _rank.__wrapped__(each) for each in lines]
    best = min(ranks)
    number = ranks.index(best)
    if best is Rank.STRUCTURED:
        # Some messages go on in the next line.
        found = _STRUCTURED.match("\n".join(lines[number : number + 2]))
        return Telling(_cut(lines[number] if found is None else found[0]), best)
    if best is Rank.LAST_LINE:
        number = max((at for at, each in enumerate(lines) if each.strip()), default=0)
    return Telling(_cut(lines[number]), best)


@lru_cache(maxsize=_LINES_KEPT)
def _rank(line: str) -> Rank:
    """Return how sure it is that a line among others names the failure."""
    if _STRUCTURED.match(line):
        return Rank.STRUCTURED
    if _PASSING.search(line):
        return Rank.LAST_LINE
    if _CALLED_ERROR.match(line):
        return Rank.CALLED_ERROR
    return Rank.SOUNDS_LIKE_ONE if _SOUNDS.match(line) else Rank.LAST_LINE


def _cut(line: str) -> str:
    return " ".join(line[:LONGEST].split())
