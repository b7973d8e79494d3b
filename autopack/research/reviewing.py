"""Reviewing what was claimed: each claim becomes evidence, or is rejected with its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autopack.research.evidence import Evidence, EvidenceKind
from autopack.research.gathering import Gathered, Numbered
from autopack.research.quality import is_seconded, quality_of
from autopack.research.rejection import Reason, Rejection
from autopack.research.researcher import Contradiction, Draft, Written
from autopack.research.validate import rejections_of_all, sealed


@dataclass(frozen=True)
class Rejected:
    """A claim that does not hold, and every reason."""

    draft: Draft
    reasons: tuple[Rejection, ...]

    @property
    def sentence(self) -> str:
        """What its author is told."""
        why = "; ".join(one.sentence for one in self.reasons)
        return f"{self.draft.claim!r}: {why}"


@dataclass(frozen=True)
class Accepted:
    """Evidence that holds, and the question that it answers, from 1."""

    question: int
    evidence: Evidence


@dataclass(frozen=True)
class Review:
    """What holds, numbered from 1 in this order, and what does not."""

    accepted: tuple[Accepted, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()

    @property
    def evidence(self) -> list[Evidence]:
        return [one.evidence for one in self.accepted]


def review(written: Written, gathered: Gathered, *, questions: int) -> Review:
    """Return which claims hold, by the bytes that were gathered; nobody's word counts."""
    drafts = written.claims
    records = [_record(draft, gathered) for draft in drafts]
    wrong = rejections_of_all(records, lambda one: gathered.content(one.locator or ""))
    wrong = [
        (*_out_of_place(draft, gathered, questions), *found)
        for draft, found in zip(drafts, wrong, strict=True)
    ]
    _fall(drafts, wrong)
    places = [place for place, found in enumerate(wrong, start=1) if not found]
    numbers = {place: number for number, place in enumerate(places, start=1)}
    graded = _graded([records[place - 1] for place in places], gathered)
    return Review(
        tuple(
            Accepted(drafts[place - 1].question, _renumbered(one, numbers))
            for place, one in zip(places, graded, strict=True)
        ),
        tuple(Rejected(draft, found) for draft, found in zip(drafts, wrong, strict=True) if found),
        tuple(
            one.model_copy(update={"between": (numbers[one.between[0]], numbers[one.between[1]])})
            for one in written.contradictions
            if numbers.keys() >= set(one.between)
        ),
    )


def _out_of_place(draft: Draft, gathered: Gathered, questions: int) -> Sequence[Rejection]:
    if draft.question > questions:
        return [Rejection(Reason.INCOMPLETE, f"there is no question {draft.question}")]
    if draft.absence and not gathered.was_searched(draft.query):
        return [Rejection(Reason.NO_QUERY, "its query is none of the searches that were made")]
    return []


def _fall(drafts: Sequence[Draft], wrong: list[tuple[Rejection, ...]]) -> None:
    """Reject what follows from what was rejected."""
    why = Rejection(Reason.FOLLOWS_FROM_NOTHING, "it follows from a claim that does not hold")
    changed = True
    while changed:
        changed = False
        for place, draft in enumerate(drafts):
            if not wrong[place] and any(wrong[other - 1] for other in draft.follows_from):
                wrong[place] = (why,)
                changed = True


def _record(draft: Draft, gathered: Gathered) -> Evidence:
    """Return a claim as a record; what its source does not say of it is None."""
    match draft.kind:
        case EvidenceKind.DERIVED:
            return Evidence(
                claim=draft.claim,
                kind=draft.kind,
                follows_from=draft.follows_from,
                quote=draft.quote or None,
            )
        case EvidenceKind.UNVERIFIED:
            return Evidence(claim=draft.claim, kind=draft.kind, quote=draft.quote or None)
        case EvidenceKind.QUOTED:
            shown = gathered.numbered(draft.passage)
            if shown is None:
                return Evidence(claim=draft.claim, kind=draft.kind, quote=draft.quote)
            content = gathered.content(shown.passage.locator)
            record = _quoted(draft, shown)
            return record if content is None else sealed(record, content)


def _quoted(draft: Draft, shown: Numbered) -> Evidence:
    """Return a quotation with its place, where it stands once in the passage that was shown."""
    passage, quote = shown.passage, draft.quote or ""
    data = quote.encode("utf-8", "surrogateescape")
    there = passage.content.find(data) if data and passage.content.count(data) == 1 else -1
    start = None if there < 0 else passage.start + there
    return Evidence(
        claim=draft.claim,
        kind=EvidenceKind.QUOTED,
        source_id=passage.source_id,
        locator=passage.locator,
        quote=draft.quote,
        start=start,
        end=None if start is None else start + len(data),
        retrieved_at=shown.retrieved_at,
        tool=shown.tool,
        query=draft.query if draft.absence else shown.query,
        absence=draft.absence,
    )


def _graded(records: Sequence[Evidence], gathered: Gathered) -> list[Evidence]:
    """Return the quotations with their quality, by facts of their sources."""
    facts = [gathered.facts_of(one.locator) for one in records]
    known = [(one, about) for one, about in zip(records, facts, strict=True) if about is not None]
    return [
        one
        if about is None
        else one.model_copy(
            update={"quality": quality_of(about, is_seconded=is_seconded(one, about, known))}
        )
        for one, about in zip(records, facts, strict=True)
    ]


def _renumbered(evidence: Evidence, numbers: Mapping[int, int]) -> Evidence:
    if not evidence.follows_from:
        return evidence
    follows = tuple(numbers[one] for one in evidence.follows_from)
    return evidence.model_copy(update={"follows_from": follows})
