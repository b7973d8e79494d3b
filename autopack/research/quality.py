"""The quality of evidence, by facts of its source and never by anybody's opinion of it."""

from __future__ import annotations

from collections.abc import Iterable

from autopack.research.evidence import Evidence, EvidenceKind, Quality
from autopack.research.folding import fold
from autopack.research.rank import Rank
from autopack.research.sources.source_protocol import SourceFacts


def quality_of(facts: SourceFacts, *, is_seconded: bool) -> Quality:
    """Return the quality of a quotation from a source that these facts are known of.

    Low: it is of another version than the installed one, or neither primary nor seconded. High:
    it is primary, and either code or docs of the very version in use, or seconded by a source of
    another origin. All else is medium.
    """
    is_current = facts.version is not None and facts.version == facts.installed_version
    if facts.version is not None and facts.installed_version is not None and not is_current:
        return Quality.LOW
    if not facts.is_primary:
        return Quality.MEDIUM if is_seconded else Quality.LOW
    is_near = facts.rank in (Rank.CODE, Rank.DOCS)
    return Quality.HIGH if is_seconded or (is_current and is_near) else Quality.MEDIUM


def is_seconded(
    evidence: Evidence,
    facts: SourceFacts,
    others: Iterable[tuple[Evidence, SourceFacts]],
) -> bool:
    """Return whether a quotation of another origin carries the same claim in words of its own.

    The same words elsewhere are a copy, which knows no more than what it was copied from.
    """
    claim, quote = fold(evidence.claim).casefold(), fold(evidence.quote or "")
    return any(
        other.kind is EvidenceKind.QUOTED
        and origin.origin != facts.origin
        and fold(other.claim).casefold() == claim
        and fold(other.quote or "") != quote
        for other, origin in others
    )
