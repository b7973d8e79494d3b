"""Answers without a model: the lines that fit a question best, quoted as they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from autopack.research.gathering import Gathered, Numbered
from autopack.research.researcher import Draft, Missing, Written
from autopack.research.sources.passages import asked_terms, times

MOST_QUOTES = 4
"""How many passages are quoted for a question."""
_LINES = 4
_SHORTEST = 12
_LONGEST_CLAIM = 300


def quoted_answers(questions: Sequence[tuple[int, str]], gathered: Gathered) -> Written:
    """Return the best lines of what each question's own search brought, as claims."""
    claims: list[Draft] = []
    missing: list[Missing] = []
    for number, question in questions:
        drafts: list[Draft] = []
        for one in gathered.found_by(question):
            draft = _draft(number, question, one, gathered)
            if draft is not None and draft.quote not in [other.quote for other in drafts]:
                drafts.append(draft)
            if len(drafts) == MOST_QUOTES:
                break
        claims += drafts
        if not drafts:
            what = "no passage was found that holds its words"
            missing.append(Missing(question=number, what=what))
    return Written(claims=tuple(claims), missing=tuple(missing))


def _draft(number: int, question: str, one: Numbered, gathered: Gathered) -> Draft | None:
    content = gathered.content(one.passage.locator)
    quote = None if content is None else _excerpt(one.passage.content, question, content)
    if quote is None:
        return None
    return Draft(question=number, claim=_claim(quote), passage=one.number, quote=quote)


def _excerpt(passage: bytes, question: str, whole: bytes) -> str | None:
    """Return the whole lines of a passage that have most words of the question.

    They stand in the source once: they grow until they do.
    """
    try:
        lines = passage.decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        return None
    words = asked_terms(question)
    found = [_score(line, words) for line in lines]
    if not any(found):
        return None
    best = max(range(len(lines)), key=lambda at: (sum(found[at : at + _LINES]), -at))
    # Lines that say nothing of it are not quoted at the ends.
    last = max(at for at in range(best, min(best + _LINES, len(lines))) if found[at] or at == best)
    for end in range(last + 1, len(lines) + 1):
        quote = "".join(lines[best:end]).rstrip("\r\n")
        if len("".join(quote.split())) >= _SHORTEST and whole.count(quote.encode()) == 1:
            return quote if len(quote) <= 4_000 else None
    return None


def _score(line: str, words: Collection[str]) -> int:
    lowered = line.lower()
    return sum(times(lowered, word) > 0 for word in words)


def _claim(quote: str) -> str:
    """Return a quotation as one line, cut between words."""
    line = " ".join(quote.split())
    if len(line) <= _LONGEST_CLAIM:
        return line
    return line[:_LONGEST_CLAIM].rpartition(" ")[0] + " …"
