"""The report of research: findings with numbered evidence, what is missing, sources and spend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from autopack.research.evidence import Evidence, EvidenceKind
from autopack.research.reviewing import Rejected, Review

SCHEMA_VERSION = 1
MODEL_FREE = (
    "No model was asked: the sources were searched, what they brought was ranked, and the lines "
    "that fit best are quoted. Nothing was concluded from them."
)

Json = dict[str, Any]


@dataclass(frozen=True)
class PersonsAnswer:
    """What a person was asked because no source can answer it, and what was answered.

    ``answer`` is None while it is open, ``by`` who answered.
    """

    question: int
    request: str
    answer: str | None = None
    by: str | None = None

    def as_json(self) -> Json:
        return {
            "question": self.question,
            "request": self.request,
            "state": "open" if self.answer is None else "answered",
            "answer": self.answer,
            "answered_by": self.by,
        }


@dataclass(frozen=True)
class Finding:
    """What was found out about one question.

    ``evidence`` is in itself complete: numbers in it, from 1, are those of its own list. ``own``
    are the numbers that answer the question, the others are what some of them follow from.
    ``contradictions`` are pairs with what they are about. ``known_from`` is the earlier report
    that the finding was taken from, None where it is new.
    """

    question: int
    text: str
    evidence: tuple[Evidence, ...]
    own: tuple[int, ...]
    contradictions: tuple[tuple[int, int, str], ...] = ()
    missing: tuple[str, ...] = ()
    known_from: str | None = None

    @classmethod
    def of(cls, number: int, text: str, found: Review, missing: Iterable[str]) -> Self:
        """Return the part of a review that is about one question."""
        own = [at for at, one in enumerate(found.accepted, 1) if one.question == number]
        pairs = [one for one in found.contradictions if set(one.between) & set(own)]
        wanted = _closed([*own, *(at for one in pairs for at in one.between)], found.evidence)
        numbers = {at: place for place, at in enumerate(wanted, start=1)}
        return cls(
            number,
            text,
            tuple(_moved(found.evidence[at - 1], numbers) for at in wanted),
            tuple(numbers[at] for at in own),
            tuple((numbers[one.between[0]], numbers[one.between[1]], one.about) for one in pairs),
            tuple(missing),
        )

    def as_json(self) -> Json:
        """Return the finding as it is kept for the next time."""
        return {
            "text": self.text,
            "evidence": [one.as_json() for one in self.evidence],
            "own": list(self.own),
            "contradictions": [list(one) for one in self.contradictions],
            "missing": list(self.missing),
        }

    @classmethod
    def from_json(cls, number: int, value: Mapping[str, Any], known_from: str) -> Self:
        """Read what `as_json` wrote."""
        return cls(
            number,
            value["text"],
            tuple(Evidence.from_json(one) for one in value["evidence"]),
            tuple(value["own"]),
            tuple((first, second, about) for first, second, about in value["contradictions"]),
            tuple(value["missing"]),
            known_from,
        )


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a report says besides its findings."""

    report_id: str
    run_id: str
    phase_id: str
    repo: str
    commit: str
    at: datetime
    researcher: Json | None
    sources: Sequence[Json]
    searches: Sequence[Json]
    rejected: Sequence[Rejected]
    requests: Sequence[PersonsAnswer]
    notes: Sequence[str]
    spent: Json


def report_json(findings: Sequence[Finding], facts: Facts) -> Json:
    """Return the whole report; its evidence is numbered from 1 in the order of its list."""
    evidence: list[Evidence] = []
    listed: list[Json] = []
    for finding in findings:
        numbers: dict[int, int] = {}
        for place, one in enumerate(finding.evidence, start=1):
            moved = _moved(one, numbers)
            if moved not in evidence:
                evidence.append(moved)
            numbers[place] = evidence.index(moved) + 1
        listed.append(_finding(finding, numbers, evidence))
    missing = [
        {"question": one.question, "what": what, "kind": "not_found"}
        for one in findings
        for what in one.missing
    ] + [
        {"question": one.question, "what": one.request, "kind": "open_request"}
        for one in facts.requests
        if one.answer is None
    ]
    notes = list(facts.notes)
    if facts.researcher is None:
        notes.insert(0, MODEL_FREE)
    known = sorted({one.known_from for one in findings if one.known_from})
    if known:
        notes.append(
            f"The sources are as they were: {len([f for f in findings if f.known_from])} of "
            f"{len(findings)} questions were answered from the store ({', '.join(known)}), "
            "without a call."
        )
    return {
        "schema_version": SCHEMA_VERSION,
        "report_id": facts.report_id,
        "run_id": facts.run_id,
        "phase_id": facts.phase_id,
        "repo": facts.repo,
        "commit": facts.commit,
        "generated_at": facts.at.isoformat().replace("+00:00", "Z"),
        "mode": "model-free" if facts.researcher is None else "model",
        "researcher": facts.researcher,
        "notes": notes,
        "questions": [one.text for one in findings],
        "evidence": [one.as_json() for one in evidence],
        "findings": listed,
        "unverified": sum(one.kind is EvidenceKind.UNVERIFIED for one in evidence),
        "rejected": [
            {
                "question": one.draft.question,
                "claim": one.draft.claim,
                "reasons": [
                    {"reason": why.reason.value, "sentence": why.sentence} for why in one.reasons
                ],
            }
            for one in facts.rejected
        ],
        "missing": missing,
        "evidence_requests": [one.as_json() for one in facts.requests],
        "sources": list(facts.sources),
        "searches": list(facts.searches),
        "spent": facts.spent,
    }


def _finding(finding: Finding, numbers: Mapping[int, int], evidence: Sequence[Evidence]) -> Json:
    return {
        "question": finding.question,
        "text": finding.text,
        "answered": bool(finding.own),
        "known_from": finding.known_from,
        "sentences": [_sentence(numbers[at], evidence[numbers[at] - 1]) for at in finding.own],
        "contradictions": [
            {"between": [numbers[first], numbers[second]], "about": about}
            for first, second, about in finding.contradictions
        ],
    }


def _sentence(number: int, one: Evidence) -> Json:
    """Return a citation: evidence as used in a sentence of the report."""
    return {
        "text": one.claim,
        "kind": one.kind.value,
        "citation": number,
        "locator": one.locator,
        "excerpt": one.quote,
        "quality": None if one.quality is None else one.quality.value,
        "follows_from": list(one.follows_from),
    }


def _closed(wanted: Sequence[int], evidence: Sequence[Evidence]) -> list[int]:
    """Return the numbers with all that they follow from, what comes first first."""
    found: set[int] = set()
    waiting = list(wanted)
    while waiting:
        at = waiting.pop()
        if at not in found:
            found.add(at)
            waiting += evidence[at - 1].follows_from
    # What a claim follows from stands before it.
    ordered: list[int] = []

    def place(at: int) -> None:
        if at not in ordered:
            for other in evidence[at - 1].follows_from:
                place(other)
            ordered.append(at)

    for at in sorted(found):
        place(at)
    return ordered


def _moved(one: Evidence, numbers: Mapping[int, int]) -> Evidence:
    if not one.follows_from:
        return one
    return one.model_copy(update={"follows_from": tuple(numbers[at] for at in one.follows_from)})
