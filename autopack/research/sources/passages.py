"""From texts to the passages that answer a query best: BM25 over terms, the same each time."""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from autopack.context.search_terms import terms
from autopack.research.sources.source_protocol import (
    MOST_PASSAGE_BYTES,
    Passage,
    Query,
    SourceFacts,
)
from autopack.secrecy.credentials import SHAPES

_K1, _B = 1.2, 0.75
_PATH_WEIGHT = 4
_MOST_TEXTS = 40
"""Of so many texts, the best, passages are taken."""
_PASSAGES_OF_ONE = 2
_MOST_HELD = 64 * 1024 * 1024
_TYPICAL_PASSAGE = 600
_ELSEWHERE_TOO = ("git:", "dist:")
"""Locators of what another machine has as well, so that no report carries it."""
_LEAST_SHARE = 0.2
"""What a passage holds of a question at least, by what its words tell; less is a coincidence."""
_FEW_TEXTS = 50
_OF_TESTS = 0.75
"""What tests say of a thing counts less than the thing itself."""
_TESTS = re.compile(r"(^|/)(tests?|specs?)/|(^|/)test_[^/]*$|_test\.\w+$")
_SPELLINGS = (
    (r"ence$", "ense"),
    (r"ense$", "ence"),
    (r"(?<=[iloav])our", "or"),
    (r"(?<=[iloav])or(?=s?$)", "our"),
    (r"is(?=e$|ed$|ing$|ation$|er$)", "iz"),
    (r"iz(?=e$|ed$|ing$|ation$|er$)", "is"),
)
# What makes a question of words, and tells nothing.
_ASKING = frozenset(
    terms(
        "how what why when where which who whose does do did done can could should must will would"
        " has have had there any some about often get use used using many much long into than then"
        " them they we you it its happen work mean"
    )
)
_ROOT = re.compile(r"([a-z]{4,})(?:ed|ing)")
_BLANK_LINE = re.compile(rb"\n[ \t\r]*\n")


@dataclass(frozen=True)
class Text:
    """A whole source: what names it, and a path by which it is found, too.

    Passages begin at byte ``begin``: what is before that is of no interest.
    """

    locator: str
    path: str
    content: bytes
    facts: SourceFacts
    begin: int = 0


@dataclass(frozen=True)
class _Counted:
    text: Text
    counts: tuple[int, ...]


def best_passages(source_id: str, query: Query, texts: Iterable[Text]) -> list[Passage]:
    """Return the passages of ``texts`` that hold most of what ``query`` asks, best first.

    None of them holds nothing that was asked for: where nothing is found, nothing is returned.
    """
    asked = asked_terms(query.text)
    if not asked:
        return []
    held, found, seen, sizes = 0, list[_Counted](), 0, 0
    for text in texts:
        seen += 1
        sizes += len(text.content)
        counts = _counts(text.content, asked, text.path, query.paths)
        if any(counts) and held + len(text.content) <= _MOST_HELD:
            held += len(text.content)
            found.append(_Counted(text, counts))
    if not found:
        return []
    weights = _weights([one.counts for one in found], seen)
    typical = sizes / seen or 1.0
    best = sorted(
        found,
        key=lambda one: (
            -_score(one.counts, weights, len(one.text.content) / typical),
            one.text.path,
        ),
    )
    passages = [
        passage
        for one in best[:_MOST_TEXTS]
        for passage in _passages_of(source_id, one, asked, weights)
    ]
    passages.sort(key=lambda each: (-each.score, each.locator, each.start))
    return passages[: query.most]


def asked_terms(question: str) -> tuple[str, ...]:
    """Return the terms of a question that tell something, each once."""
    words = dict.fromkeys(terms(question))
    return tuple(word for word in words if word not in _ASKING) or tuple(words)


def times(text: str, term: str) -> int:
    """Return how often ``text``, in lower case, has a term in any of its forms."""
    return sum(text.count(form) for form in forms_of(term))


def pieces(path: str, content: bytes, begin: int = 0) -> list[tuple[int, int]]:
    """Return from and up to which byte each piece of a text is: definitions, or paragraphs."""
    found = _definitions(content) if path.endswith((".py", ".pyi")) else _paragraphs(content)
    starts = [begin, *(start for start in found if start > begin)]
    ends = [*starts[1:], len(content)]
    return [
        part
        for start, end in zip(starts, ends, strict=True)
        for part in _bounded(content, start, end)
        if content[part[0] : part[1]].strip()
    ]


def holds_secret(content: bytes) -> bool:
    """Return whether something in a text looks like a key: what does is quoted nowhere."""
    return SHAPES.search(content.decode("utf-8", "replace")) is not None


def _passages_of(
    source_id: str, counted: _Counted, asked: Sequence[str], weights: Sequence[float]
) -> Iterator[Passage]:
    text = counted.text
    if not text.locator.startswith(_ELSEWHERE_TOO) and holds_secret(text.content):
        return  # a report carries the whole of it
    named = _counts(b"", asked, text.path, ())
    of_tests = _OF_TESTS if _TESTS.search(text.path) else 1.0
    scored: list[tuple[float, int, int]] = []
    for start, end in pieces(text.path, text.content, text.begin):
        counts = _counts(text.content[start:end], asked, "", ())
        held = sum(
            weight for weight, *here in zip(weights, counts, named, strict=True) if any(here)
        )
        is_telling = any(counts) and held >= _LEAST_SHARE * sum(weights)
        if is_telling and not holds_secret(text.content[start:end]):
            # A path says what its pieces are about, too.
            score = _score(counts, weights, (end - start) / _TYPICAL_PASSAGE)
            score += 0.5 * _score(named, weights, 1.0)
            scored.append((of_tests * score, start, end))
    scored.sort(key=lambda each: (-each[0], each[1]))
    for score, start, end in scored[:_PASSAGES_OF_ONE]:
        content = text.content[start:end]
        yield Passage(source_id, text.locator, content, start, end, round(score, 6), text.facts)


def _counts(
    content: bytes, asked: Sequence[str], path: str, wanted: Sequence[str]
) -> tuple[int, ...]:
    """Return how often each term is in a text, in any of its forms."""

    low = content.decode("utf-8", "replace").lower()
    of_path = path.lower()
    bonus = 1 + (bool(path) and any(each in path for each in wanted))
    return tuple(bonus * (times(low, term) + _PATH_WEIGHT * times(of_path, term)) for term in asked)


@lru_cache(maxsize=1_000)
def forms_of(term: str) -> frozenset[str]:
    """Return how else a term is written: "retried" and "retries", "caching" and "cached";
    British, American.
    """
    forms = {term}
    if term.endswith("ied"):
        forms.add(f"{term[:-3]}y")
    elif (root := _ROOT.fullmatch(term)) is not None:
        forms.add(root[1])
    forms |= {f"{each[:-1]}ie" for each in forms if each.endswith("y")}
    for one, other in _SPELLINGS:
        forms |= {re.sub(one, other, each) for each in forms}
    # One that holds another would be counted twice.
    return frozenset(each for each in forms if not any(o != each and o in each for o in forms))


def _weights(counts: Sequence[Sequence[int]], total: int) -> tuple[float, ...]:
    """Return how much each term tells: the rarer, the more; among few texts nothing is rare."""
    total = max(total, _FEW_TEXTS)
    return tuple(
        math.log(1 + (total - holding + 0.5) / (holding + 0.5))
        for holding in (sum(1 for one in column if one) for column in zip(*counts, strict=True))
    )


def _score(counts: Sequence[int], weights: Sequence[float], length: float) -> float:
    norm = _K1 * (1 - _B + _B * length)
    return sum(
        weight * count * (_K1 + 1) / (count + norm)
        for count, weight in zip(counts, weights, strict=True)
        if count
    )


def _paragraphs(content: bytes) -> list[int]:
    """Return where pieces of some length begin, each after a blank line."""
    starts, last = list[int](), 0
    for found in _BLANK_LINE.finditer(content):
        if found.end() - last >= _TYPICAL_PASSAGE:
            last = found.end()
            starts.append(last)
    return starts


def _definitions(content: bytes) -> list[int]:
    """Return where the definitions of a Python file begin; it is parsed and never imported."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of another project's escapes
            tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _paragraphs(content)
    lines = [0, *(found.end() for found in re.finditer(rb"\r\n|\r|\n", content))]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    first = {
        min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    }
    # What stands after a definition is no part of it.
    first |= {
        after.lineno - 1
        for before, after in pairwise(tree.body)
        if isinstance(before, kinds) and not isinstance(after, kinds)
    }
    return sorted(lines[number] for number in first if 0 < number < len(lines))


def _bounded(content: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield parts of at most so many bytes, cut at line ends where there are any."""
    while end - start > MOST_PASSAGE_BYTES:
        cut = content.rfind(b"\n", start, start + MOST_PASSAGE_BYTES) + 1
        if cut <= start:
            cut = start + MOST_PASSAGE_BYTES
            while content[cut] & 0xC0 == 0x80 and cut > start + 1:
                cut -= 1  # no character is cut in two
        yield start, cut
        start = cut
    if start < end:
        yield start, end
