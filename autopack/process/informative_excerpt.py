"""The informative part of a log: what the next builder, the doctor and a person are shown.

First the tests that failed, by name; then, from the first error on, each error line with what
leads to it and what it says of expected and actual; then the runner's last word. Left out are
passing tests, warnings, traces of shells, progress, and frames of libraries. Where nothing looks
like an error, the end of the log is all there is. One pass over the lines, in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from autopack.model.excerpt import plain
from autopack.toolchains.log_lines import LogLines
from autopack.toolchains.toolchain_registry import any_of, toolchains

BUDGET = 6_000
"""Bytes of a selection."""

_LONGEST_LINE, _LINE_HEAD, _LINE_END = 300, 240, 60
_BEFORE, _AFTER = 12, 8
_NAMES_SHARE = 0.3
_GAP = "[…]"

# What belongs to no toolchain or to several: each has its own in its ``log_lines``.
_ANY_TOOL = LogLines(
    noise=(
        r"^\++ ",  # set -x
        r"^\s*ok\b|^\S+ \.{3,}\s*(?:Passed|ok)\b",  # TAP, pre-commit
    ),
    failed=(
        r"^\s*not ok \d",  # TAP
        r"^\s*\d+\) \S",  # mocha, phpunit, rspec, playwright, ExUnit, hspec
        r"\*\*\* FAILED \*\*\*| \[E\]$|^\s*[✗✘⨯◼] |^[Ff]ailure → ",  # ScalaTest, dart, pest, busted
        r"^\w+#test\w* \[",  # minitest
    ),
    error=(
        r"^\s*(?:E\s+)?(?:[A-Za-z_][\w$]*[.:]{1,2})*"
        r"[A-Z]\w*(?:Error|Exception|Failure|Timeout|Interrupt|Exit)(?: \[\w+\])?(?::|$| at )",
        r"^\s*(?:[Ee]rror|ERROR|FATAL|[Ff]atal|panic)(?:\[\w+\])?: ?\S",
        r"\berror: |: error\b|^\S+:\d+:\d+: \S",  # compilers and linters
        r"\b(?:command not found|No such file or directory|Permission denied)\b",
        r"\b(?:cannot find|not found)\b",
        r"^\s*(?:[Ff]ailure|FAILURE)\b",
        r"^\s*(?:[Ee]xpected|[Aa]ctual|[Gg]ot|[Bb]ut got|[Ll]eft|[Rr]ight): ",
    ),
    library=("/usr/lib/",),
    frame=(r"^\s+at \S",),
    last=(r"^\d+ errors?, ",),
)


@cache
def _lines(kind: str) -> re.Pattern[str]:
    """Return the expression of lines of a kind, by whichever tool they are written."""
    tools = [_ANY_TOOL, *(each.log_lines for each in toolchains())]
    parts = [part for each in tools for part in getattr(each, kind)]
    if kind == "error":  # FILE:LINE: WHAT, where FILE is a source
        named = (each for tool in toolchains() for each in tool.languages.values())
        endings = "|".join(map(re.escape, " ".join(named).split()))
        parts.append(rf"^\S+\.(?:{endings}):\d+: [A-Z]\w+$")
    return any_of(parts)


_WARNINGS = re.compile(r"^=+ warnings summary\b")
_HEADING = re.compile(r"^=+ .* =+$")
_BREAK = re.compile(r"^(?:=|_|-|─|⎯){8,}|^$")


def select(log: str, budget: int = BUDGET) -> str:
    """Return the informative part of ``log``, at most ``budget`` bytes of it.

    The whole log, tidied, where that is short enough.
    """
    lines = _tidied(plain(log))
    whole = "\n".join(lines)
    if _size(whole) <= budget:
        return whole.strip("\n")
    names = _names(lines, int(budget * _NAMES_SHARE))
    last = [line for line in lines[-40:] if _lines("last").search(line)][-2:]
    left = budget - _size("\n".join([*names, *last])) - 4
    windows = _windows(lines, left)
    if not windows:
        tail = whole.encode()[-left:].decode(errors="ignore") if left > 0 else ""
        windows = tail.partition("\n")[2].splitlines() or [tail]
    shown = [line for line in last if line not in windows]
    parts = [part for part in ("\n".join(names), "\n".join(windows), "\n".join(shown)) if part]
    return "\n\n".join(parts)


def _tidied(text: str) -> list[str]:
    """The lines worth a look: no noise, no warnings, no frames of libraries, none too long."""
    kept: list[str] = []
    in_warnings, skips_source = False, False
    for raw in text.split("\n"):
        line = raw.rstrip()
        if _WARNINGS.match(line):
            in_warnings = True
            continue
        if in_warnings and not (_HEADING.match(line) or _lines("failed").search(line)):
            in_warnings = not line.startswith("-- Docs: ")
            continue
        in_warnings = False
        if skips_source and line.startswith("    ") and not _lines("frame").search(line):
            skips_source = False
            continue  # the line of source below a library's frame
        skips_source = False
        if _lines("noise").search(line):
            continue
        if _lines("frame").search(line) and _lines("library").search(line):
            skips_source = line.lstrip().startswith('File "') or ": in " in line
            continue
        if not line and (not kept or not kept[-1]):
            continue
        if len(line) > _LONGEST_LINE:
            line = f"{line[:_LINE_HEAD]}…{line[-_LINE_END:]}"
        kept.append(line)
    return kept


def _names(lines: Sequence[str], budget: int) -> list[str]:
    """Return the tests that failed, each once, as far as there is room."""
    seen = dict.fromkeys(line.strip() for line in lines if _lines("failed").search(line))
    if any(not name.startswith("___") for name in seen):
        seen = {name: None for name in seen if not name.startswith("___")}
    names: list[str] = []
    for name in seen:
        budget -= _size(name) + 1
        if budget < 0 and names:
            names.append(f"{_GAP} {len(seen) - len(names)} more")
            break
        names.append(name)
    return names


def _windows(lines: Sequence[str], budget: int) -> list[str]:
    """Error lines with what is around them, the first ones first, in the order of the log.

    Where none looks like one, the names of tests that failed take their place.
    """
    wanted: set[int] = set()
    errors = [place for place, line in enumerate(lines) if _lines("error").search(line)]
    # What a test that failed has to say stands below its name.
    errors = errors or [at for at, line in enumerate(lines) if _lines("failed").search(line)]
    for place in errors:
        window = _around(lines, place) - wanted
        cost = sum(_size(lines[each]) + 1 for each in window)
        if cost > budget:
            window = {place} - wanted
            cost = sum(_size(lines[each]) + 1 for each in window)
        if cost > budget:
            break
        wanted |= window
        budget -= cost + len(_GAP) + 1
    shown: list[str] = []
    before = -1
    for place in sorted(wanted):
        if shown and place != before + 1:
            shown.append(_GAP)
        shown.append(lines[place])
        before = place
    return shown


def _around(lines: Sequence[str], place: int) -> set[int]:
    """Return what leads to an error line, up to a rule or an empty line, and what it says."""
    window = {place}
    for each in range(place - 1, max(place - _BEFORE, 0) - 1, -1):
        if _BREAK.match(lines[each]) and each < place - 1:
            break
        window.add(each)
    for each in range(place + 1, min(place + _AFTER, len(lines))):
        if _BREAK.match(lines[each]) and each > place + 1:
            break
        window.add(each)
    return window


def _size(text: str) -> int:
    return len(text.encode())
