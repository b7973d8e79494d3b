"""Which evidence holds: pure functions of the record and of the bytes of its source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from autopack.model.errors import BadInput
from autopack.research.claim_rules import negates, numbers_in
from autopack.research.evidence import Evidence, EvidenceKind, sha256_of
from autopack.research.folding import fold
from autopack.research.locator import DistFile, parse_locator, rank_of
from autopack.research.quality import quality_of
from autopack.research.quoting import Span, find_quote, fold_bytes
from autopack.research.rank import Rank
from autopack.research.rejection import Reason, Rejection

__all__ = ["Reason", "Rejection", "quality_of", "rejections", "rejections_of_all", "sealed"]

# What says where a quotation is from, and when it was read.
_OF_A_QUOTATION = (
    "source_id",
    "locator",
    "quote",
    "start",
    "end",
    "source_sha256",
    "quote_sha256",
    "retrieved_at",
    "tool",
)


def sealed(draft: Evidence, content: bytes) -> Evidence:
    """Return a quoted draft with its offsets, its hashes, and its quote as the source has it.

    A draft has a claim, a locator and a quote, and offsets where it knows them. One whose quote
    cannot be found comes back with the hashes alone, and `rejections` says why.
    """
    found = _place(draft, content)
    quote, known = draft.quote or "", draft.model_dump()
    if isinstance(found, Span):
        start = _with_indent(content, found.start) if _is_code(draft) else found.start
        quote = content[start : found.end].decode("utf-8", "replace")
        known |= {"start": start, "end": found.end, "quote": quote}
    hashes = {"source_sha256": sha256_of(content), "quote_sha256": sha256_of(quote)}
    return Evidence.model_validate(known | hashes)


def rejections(
    evidence: Evidence, content: bytes | None, *, others: Sequence[Evidence] = ()
) -> tuple[Rejection, ...]:
    """Return every reason why ``evidence`` does not hold; none when it does.

    ``content`` are all bytes of what its locator names, None when there is no such thing.
    ``others`` is the list that it stands in, which derived evidence counts by.
    """
    match evidence.kind:
        case EvidenceKind.QUOTED:
            return tuple(_of_quoted(evidence, content))
        case EvidenceKind.DERIVED:
            return tuple(_of_derived(evidence, others))
        case EvidenceKind.UNVERIFIED:
            return tuple(_of_unverified(evidence))


def rejections_of_all(
    records: Sequence[Evidence], read: Callable[[Evidence], bytes | None]
) -> list[tuple[Rejection, ...]]:
    """Return the rejections of each record; what follows from a rejected one is rejected, too."""
    found = [
        rejections(one, read(one) if one.kind is EvidenceKind.QUOTED else None, others=records)
        for one in records
    ]
    while True:
        fallen = [
            number
            for number, one in enumerate(records)
            if not found[number]
            and one.kind is EvidenceKind.DERIVED
            and any(found[other - 1] for other in one.follows_from)
        ]
        if not fallen:
            return found
        for number in fallen:
            found[number] = (_follows_from_nothing("it follows from evidence that does not hold"),)


def _of_quoted(evidence: Evidence, content: bytes | None) -> Iterator[Rejection]:
    missing = [name for name in _OF_A_QUOTATION if getattr(evidence, name) in (None, "")]
    if missing:
        yield Rejection(Reason.INCOMPLETE, f"a quotation needs {' and '.join(missing)}")
    if evidence.locator is not None:
        try:
            locator = parse_locator(evidence.locator)
        except BadInput as error:
            yield Rejection(Reason.NO_SOURCE, error.message)
            return
        if isinstance(locator, DistFile) and locator.is_of_another_version:
            yield Rejection(Reason.OTHER_SOURCE, "its locator names two versions of the package")
    if content is None:
        yield Rejection(
            Reason.NO_SOURCE, f"there is no such source: {(evidence.locator or 'none named')[:300]}"
        )
    elif evidence.source_sha256 not in (None, sha256_of(content)):
        yield Rejection(
            Reason.OTHER_SOURCE, "the source has another content than the one that was read"
        )
    if evidence.quote is None:
        return
    if evidence.quote_sha256 not in (None, sha256_of(evidence.quote)):
        yield Rejection(Reason.HASH_DIFFERS, "the quotation is not the one that was recorded")
    if content is not None and isinstance(found := _place(evidence, content), Rejection):
        yield found
    yield from _of_claim(evidence, evidence.quote)
    yield from _of_absence(evidence, content)


def _of_claim(evidence: Evidence, quoted: str) -> Iterator[Rejection]:
    known = numbers_in(quoted)
    if evidence.absence and evidence.query:
        known |= numbers_in(evidence.query)
    unknown = sorted(numbers_in(evidence.claim) - known)
    if unknown:
        yield Rejection(
            Reason.NUMBER_NOT_QUOTED,
            f"the claim says {', '.join(unknown)}, its quotation does not",
        )


def _of_absence(evidence: Evidence, content: bytes | None) -> Iterator[Rejection]:
    if not evidence.absence:
        if negates(evidence.claim) and not negates(evidence.quote or ""):
            yield Rejection(
                Reason.UNDECLARED_ABSENCE,
                "the claim says that something is not there, its quotation does not: mark it with"
                ' "absence", quote the nearest text that was checked, and give the query that'
                " found nothing",
            )
        return
    query = fold(evidence.query or "").casefold()
    if not query:
        yield Rejection(Reason.NO_QUERY, "a claim of absence needs the query that found nothing")
    elif content is not None and query in fold_bytes(content).casefold():
        yield Rejection(Reason.QUERY_FINDS, "the query is found in the very source that is quoted")


def _of_derived(evidence: Evidence, others: Sequence[Evidence]) -> Iterator[Rejection]:
    if evidence.quote is not None:
        yield Rejection(
            Reason.UNCHECKED_QUOTE, "derived evidence has no quotation of its own: call it quoted"
        )
    if not evidence.follows_from:
        yield _follows_from_nothing("derived evidence names the evidence that it follows from")
        return
    outside = [each for each in evidence.follows_from if not 1 <= each <= len(others)]
    if outside:
        yield _follows_from_nothing(f"there is no evidence number {outside[0]}")
        return
    followed = list(_followed(evidence, others))
    if any(one is evidence or one == evidence for one in followed):
        yield _follows_from_nothing("it follows from itself")
    elif any(one.kind is EvidenceKind.UNVERIFIED for one in followed):
        yield _follows_from_nothing("it follows from what is unverified: call it unverified, too")
    quoted = " ".join(one.quote or "" for one in followed)
    yield from _of_claim(evidence, quoted)


def _followed(evidence: Evidence, others: Sequence[Evidence]) -> Iterator[Evidence]:
    """Yield all that a record follows from, also by way of others, each once."""
    left, seen = list(evidence.follows_from), set[int]()
    while left:
        number = left.pop()
        if number not in seen and 1 <= number <= len(others):
            seen.add(number)
            yield others[number - 1]
            left += others[number - 1].follows_from


def _of_unverified(evidence: Evidence) -> Iterator[Rejection]:
    if evidence.quote is not None:
        yield Rejection(
            Reason.UNCHECKED_QUOTE,
            "what is unverified shows no quotation: call it quoted, or leave the quotation out",
        )


def _follows_from_nothing(sentence: str) -> Rejection:
    return Rejection(Reason.FOLLOWS_FROM_NOTHING, sentence)


def _place(evidence: Evidence, content: bytes) -> Span | Rejection:
    return find_quote(
        evidence.quote or "",
        content,
        is_code=_is_code(evidence),
        start=evidence.start,
        end=evidence.end,
    )


def _is_code(evidence: Evidence) -> bool:
    try:
        return rank_of(parse_locator(evidence.locator or "")) is Rank.CODE
    except BadInput:
        return False  # what has no source is rejected for that


def _with_indent(content: bytes, start: int) -> int:
    """Return where the white space before the first line of code begins."""
    while start and content[start - 1 : start] in (b" ", b"\t"):
        start -= 1
    return start
