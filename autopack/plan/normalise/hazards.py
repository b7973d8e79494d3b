"""Instructions that destroy work or run what nobody has read, which no unattended run follows."""

from __future__ import annotations

import re

_HAZARDS = (
    (
        "deletes files outside the project",
        r"\brm\s+(?:-\w+\s+|--\S+\s+)*(?:/(?:\s|\*|$|[\"'`])|/(?:etc|usr|var|home|root|bin|opt)\b"
        r"|~|\$\{?HOME\b|\*(?:\s|$|[\"'`]))"
        r"|\bfind\s+(?:/|~)\S*\s[^\n]{0,120}-delete\b|\b(?:rmdir|del|rd)\s+/s\b|\bformat\s+c:"
        r"|\bremove-item\b[^\n]{0,120}-recurse",
    ),
    (
        "rewrites published history",
        r"\bgit\s+push\b[^\n`]{0,120}(?:\s--force\b|\s--force-with-lease\b|\s-f\b|\s--mirror\b|\s--delete\b)"
        r"|\bforce[- ]?push|\bpush(?:es|ed)?\s+(?:\S+\s+){0,4}(?:with|by)\s+force\b"
        r"|\bgit\s+(?:filter-branch|filter-repo)\b",
    ),
    (
        "throws work away",
        r"\bgit\s+reset\s+--hard\s+(?:origin|upstream)\b|\bgit\s+clean\s+-\w*[xX]"
        r"|\bgit\s+branch\s+-D\b|\bgit\s+stash\s+(?:drop|clear)\b"
        r"|\b(?:delete|remove|erase|wipe)\s+(?:all|every|everything|each)\b(?:\s+\w+){0,3}?\s+(?:in|from)"
        r"\s+(?:the\s+)?(?:repo(?:sitory)?|project|home|disk|machine|server)\b"
        r"|\bdelete\s+(?:the\s+)?(?:whole\s+|entire\s+)?(?:repo(?:sitory)?|git history|\.git)\b"
        r"|\brm\s+(?:-\w+\s+)*(?:\./)?\.git\b",
    ),
    (
        "runs a script straight from the network",
        r"\b(?:curl|wget|iwr|invoke-webrequest)\b[^\n]{0,120}\|\s*(?:sudo\s+)?"
        r"(?:ba|z|da|k|fi)?sh\b|\b(?:curl|wget)\b[^\n]{0,120}\|\s*(?:sudo\s+)?(?:python\d?|perl|ruby|node)\b"
        r"|\b(?:ba|z)?sh\s+(?:-c\s+)?[\"']?(?:<\(|\$\()\s*(?:curl|wget)\b|\|\s*iex\b",
    ),
    (
        "destroys data",
        r"\b(?:drop|truncate|wipe|erase|purge)\s+(?:the\s+|all\s+)?(?:\w+\s+){0,2}"
        r"(?:database|databases|tables?|schemas?|production|prod)\b"
        r"|\bdelete\s+(?:the\s+|all\s+)?(?:\w+\s+){0,1}(?:production|prod)\b"
        r"|\bdelete\s+from\s+\w+\s*(?:;|$|`)"
        r"|\b(?:mkfs(?:\.\w+)?|fdisk|wipefs|shred)\s+/?\S|\bdd\s+[^\n]{0,120}\bof=/dev/"
        r"|\bterraform\s+destroy\b|\bkubectl\s+delete\b|\bdocker\s+system\s+prune\b"
        r"|\bredis-cli\s+flush(?:all|db)\b|\bdropdb\b",
    ),
    (
        "opens or stops the machine",
        r"\bchmod\s+(?:-R\s+)?(?:777|a\+rwx)\s+/|\bchown\s+-R\s+\S+\s+/(?:\s|$)"
        r"|:\(\)\s*\{|\b(?:shutdown|reboot|halt|poweroff)\s+(?:-\w+|now)\b|\bkill\s+-9\s+-1\b"
        r"|\bsudo\s+\w",
    ),
    (
        "goes around the project's checks",
        r"\bgit\s+commit\b[^\n`]{0,120}\s--no-verify\b|\b(?:with|using)\s+`?--no-verify\b"
        r"|\b(?:disable|skip|delete|remove|comment out)\s+(?:all\s+)?(?:the\s+)?"
        r"(?:failing\s+|broken\s+|red\s+)?(?:tests|test suite|ci checks?|branch protection)\b",
    ),
    (
        "gives secrets away",
        r"\b(?:print|log|echo|upload|send|post|commit|publish)\s+(?:\S+\s+){0,3}"
        r"(?:api keys?|secrets?|passwords?|credentials?|private keys?|\.env\b|ssh keys?)"
        r"(?!\s+(?:handling|form|field|reset|page|policy|rotation|manager|store))",
    ),
)
_COMPILED = tuple((what, re.compile(pattern, re.IGNORECASE)) for what, pattern in _HAZARDS)
_LONGEST = 60
_FORBIDDEN = re.compile(
    r"\b(?:never|do not|don'?t|must not|no|without|avoid|instead of)\b[^.;]*$", re.I
)


def hazards(text: str) -> list[str]:
    """Return a warning for each line of ``text`` that asks for something destructive."""
    found: dict[str, None] = {}
    for line in text.splitlines():
        for what, pattern in _COMPILED:
            match = pattern.search(line)
            if match and not _FORBIDDEN.search(line, 0, match.start()):
                quoted = " ".join(match[0].strip(" `").split())[:_LONGEST]
                found[f"`{quoted}` {what}; take it out of the plan"] = None
    return list(found)
