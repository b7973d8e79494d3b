"""The attempt changed files that its phase may not change."""

from __future__ import annotations

import re

from autopack.model.path_patterns import matches
from autopack.repair.patterns.failure_pattern import Evidence, Match, Proposal

_SAID = re.compile(
    r"\b(?:outside|not in|not within) (?:of )?(?:the )?"
    r"(?:governed scope|phase(?:'s)? scope|allowed scope|scope\.paths)\b"
    r"|^(?:\[[^\]\n]{1,80}\] )?(?:[\w ]{1,40}: )?Scope validation failed\b"
    r"|\bviolations?: Outside scope: ",
    re.IGNORECASE | re.MULTILINE,
)
_FILE = re.compile(r"\bOutside scope: (?P<path>[^\s,]{1,300})")
_SHOWN = 5


class ScopeMismatch:
    """Files changed outside the scope of the phase."""

    pattern_id = "scope_mismatch"
    priority = 2
    summary = "files were changed outside the phase's scope: revert those files"

    def detect(self, evidence: Evidence) -> Match | None:
        files = _strays(evidence)
        if files:
            shown = ", ".join(files[:_SHOWN])
            more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
            return Match(self.pattern_id, self.priority, {"files": shown + more})
        if evidence.changed and evidence.scope:
            return None  # every change is known and allowed, whatever a program may say
        if not _SAID.search(evidence.text):
            return None
        named = _FILE.search(evidence.text)
        return Match(self.pattern_id, self.priority, {"files": named["path"]} if named else {})

    def propose(self, evidence: Evidence, match: Match) -> Proposal:
        files = _strays(evidence)
        if files:
            return Proposal(self.pattern_id, revert=files)
        advice = "compare the changed files with the phase's scope.paths"
        return Proposal(self.pattern_id, suggestions=(advice,))


def _strays(evidence: Evidence) -> tuple[str, ...]:
    """Return the changed files that the phase may not change; every file is in an empty scope."""
    scope, read_only = evidence.scope or (), evidence.read_only
    return tuple(
        path
        for path in evidence.changed
        if (scope and not any(matches(path, pattern) for pattern in scope))
        or any(matches(path, pattern) for pattern in read_only)
    )
