"""Replaces the names of a project's own code in lines that runners and compilers wrote.

Only those lines have a grammar that says which word is a name: in the log line of a service
``jobQueue_flush`` is what it reports, in ``undefined: jobQueue_flush`` it is what varies.
"""

from __future__ import annotations

import re

from autopack.repair.signatures.masks import WILDCARD
from autopack.repair.signatures.telling import EXCEPTION

_OPERAND = r"[^\n]{1,600}?"
_Rules = tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...]


def _rules(*rules: tuple[str, str, str]) -> _Rules:
    return tuple(
        (tuple(needs.split("|")), re.compile(pattern), kept) for needs, pattern, kept in rules
    )


# Each: literals of which a line has at least one, a whole message or the place in it that holds
# what varies, and what is kept of it.
_OF_TOOLS = _rules(
    (
        "requirement |found for|a version for|module named",
        r"\b(requirement |distribution found for |a version for |module named )\S+",
        r"\1<*>",
    ),
    ("Cannot install", r"\b(Cannot install ).*( because )", r"\1<*>\2"),
    ("no such ", r"\b(no such (?:table|column|function|module|option): )\S+", r"\1<*>"),
    ("on project", r"\b(on project )[\w.-]+", r"\1<*>"),
    ("*** [", r"\*\*\* \[[^\]]*\]", "*** [<*>]"),
    (
        "Command ",
        r"\b(Command )[^\n]{1,600}( timed out| returned non-zero| died with| failed\b)",
        r"\1<*>\2",
    ),
    (
        "Killed|Terminated|Aborted|Segmentation fault",
        r"(line <\*>:? ?(?:Killed|Terminated|Aborted|Segmentation fault)\b).*",
        r"\1 <*>",
    ),
    (
        "not found|No such file|Permission denied|cannot execute",
        r"^(?:(?:bash|sh|zsh|<\*>): )?(?:(?:line )?<\*>: )?[^: ]+: (command not found|not found"
        r"|No such file or directory|Permission denied|cannot execute[^:]*)$",
        r"<*>: \1",
    ),
)
_OF_LANGUAGES = _rules(
    # What a comparison compared, as pytest, unittest, chai, JUnit and Go's tests tell it.
    ("assert ", r"^(?:AssertionError: )?assert .*", "AssertionError: assert <*>"),
    (" differ: ", r"^(AssertionError: )(?!assert )([A-Z]\w+(?: \w+)? differ: ).*", r"\1\2<*>"),
    (
        "AssertionError: ",
        rf"^(AssertionError: ){_OPERAND} (!=|==|not found in|unexpectedly found in|not less than"
        r"|not greater than|is not|not in|not between) .*",
        r"\1<*> \2 <*>",
    ),
    (
        "expected ",
        rf"\b(expected ){_OPERAND} ((?:not )?to (?:not )?(?:strictly |deeply |loosely )?"
        r"(?:be |have |equal|include|match|throw|contain|respond|satisfy)\w*(?: a| an| property"
        r"| length| of| close)*).*",
        r"\1<*> \2 <*>",
    ),
    ("but was", r"\b(expected:? ?)<.*> (but was:? ?)<.*>", r"\1<*> \2<*>"),
    (
        "got|want|expected|actual|found|have",
        r"\b(got|want|expected|actual|found|have)(:? |=)"
        r"(?!<\*> (?:not )?to |end\b|EOF|identifier|an unexpected)[^,;]+",
        r"\1 <*>",
    ),
    ("unsupported operand", r"\b(unsupported operand type\(s\) for )\S+:", r"\1<*>:"),
    ("Did you mean", r"[.;] Did you mean\b.*", ""),
    # Names that compilers and interpreters cannot find, or will not have.
    ("undefined: ", r"\b(undefined: )\S+", r"\1<*>"),
    (
        " undefined (type ",
        r"(?<=: )\S+( undefined \(type )\S+( has no field or method )[^),]+",
        r"<*>\1<*>\2<*>",
    ),
    (
        " declared and not used| redeclared in",
        r"(?<=: )\S+ (declared and not used|redeclared in this block)",
        r"<*> \1",
    ),
    ("declared and not used: ", r"\b(declared and not used: )\S+", r"\1<*>"),
    (
        "cannot use ",
        r"\b(cannot use )[^\n]{1,300}( as )[^\n]{1,200}( value in [a-z]+).*",
        r"\1<*>\2<*>\3",
    ),
    ("in call to ", r"\b(in call to )\S+", r"\1<*>"),
    (
        " is not ",
        r"(?<=: )\S+ (is not (?:a function|defined|a constructor|iterable|callable)\b)",
        r"<*> \1",
    ),
    ("package ", r"\b(package )\S+( does not exist| is not in std)", r"\1<*>\2"),
    (
        "incompatible types: ",
        r"\b(incompatible types: )\S+( cannot be converted to )\S+",
        r"\1<*>\2<*>",
    ),
    (
        "in class |in interface |in enum |in record ",
        r"\b(constructor|method|class|variable|interface) (?!in\b|is\b|of\b|was\b|has\b)\S+"
        r"( in (?:class|interface|enum|record) )\S+",
        r"\1 <*>\2<*>",
    ),
)
_CALL = re.compile(r"(?<![\w.])[\w.<>*]{1,200}\((?!s\))[^()\n]{0,300}\)")
_CODE_NAME = re.compile(
    r"(?<![\w.*-])(?:[A-Za-z_$][\w$]{0,80}(?:(?:\.|::|->)[A-Za-z_$][\w$]{0,80}){1,12}"
    r"|[A-Za-z]\w{0,80}_\w{1,80}|_\w{1,80}|[a-z]{1,40}[A-Z]\w{0,80})(?![\w-])"
)
_UPPER_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,}")
_ANGLED = re.compile(r"<(?!\*>)[^<>\n]{1,200}>")
_NOT_A_MESSAGE = re.compile(
    r"^(?:E[ ]+)+|^(?:FAILED|ERROR) \S+(?: \S+)* - (?=\S)|^(?:Uncaught |Unhandled )"
)


def without_decoration(line: str) -> str:
    """Return ``line`` without what the runner puts before the message."""
    return _NOT_A_MESSAGE.sub("", line)


def mask_told(masked: str) -> str:
    """Return a masked line without what a tool was told to do: a target, a command, a package."""
    return _apply(_OF_TOOLS, masked)


def mask_names(masked: str) -> str:
    """Return a masked line of a runner with the project's own names as ``<*>``, too."""
    found = EXCEPTION.match(masked)
    masked = _apply(_OF_LANGUAGES, masked)
    name = ""
    if found is not None and masked.startswith(found[0]):
        name, masked = found[0], masked[len(found[0]) :]
    masked = _ANGLED.sub(WILDCARD, masked)
    masked = _CALL.sub(f"{WILDCARD}()", masked)
    return name + _CODE_NAME.sub(_unless_code, masked)


def _apply(rules: _Rules, masked: str) -> str:
    for needs, pattern, kept in rules:
        for literal in needs:  # a call of `any` would cost more than what it saves
            if literal in masked:
                masked = pattern.sub(kept, masked)
                break
    return masked


def _unless_code(found: re.Match[str]) -> str:
    return found[0] if _UPPER_CODE.fullmatch(found[0]) else WILDCARD
