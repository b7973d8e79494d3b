"""Finding a quotation in its source: exactly, once, and by the bytes of the original."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from autopack.research.folding import Folded, fold
from autopack.research.rejection import Reason, Rejection

MIN_CHARACTERS = 12
"""How long a quotation is at least, folded: shorter ones are found in anything."""

_MOST_PLACES = 1_000
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
# What joins two halves of a word, and of a number.
_JOINTS = "-\u2010\u2011'\u2019"
_IN_NUMBERS = re.compile(r"[.,:/\u2044]\d|[%\u2030]")


@dataclass(frozen=True)
class Span:
    """From and up to which byte of a source something stands."""

    start: int
    end: int


def find_quote(
    quote: str,
    content: bytes,
    *,
    is_code: bool,
    start: int | None = None,
    end: int | None = None,
    least: int = MIN_CHARACTERS,
) -> Span | Rejection:
    """Return where ``quote`` stands in ``content``, without white space at its ends.

    Offsets choose where it stands more than once; offsets at which it does not stand are wrong,
    also where it stands elsewhere. Of code whole lines are quoted. It has at ``least`` so many
    characters.
    """
    words = fold(quote)
    if len(words) < least:
        return Rejection(
            Reason.TOO_SHORT,
            f"the quotation has {len(words)} characters: quote at least {least}",
        )
    spans = list(_places(words, content))
    if not spans:
        return Rejection(
            Reason.NOT_FOUND,
            "the quotation is not in its source: copy one passage of it, word for word",
        )
    whole = [span for span in spans if _is_whole(content, span)]
    if not whole:
        return Rejection(
            Reason.NOT_WHOLE_WORDS,
            "the quotation begins or ends inside a word or a number: quote whole ones",
        )
    if is_code:
        whole = [span for span in whole if _has_whole_lines(content, span)]
        if not whole:
            return Rejection(
                Reason.NOT_WHOLE_LINES, "the quotation is of code: quote whole lines of it"
            )
    if start is not None or end is not None:
        return _chosen(whole, content, start, end)
    if len(whole) > 1:
        return Rejection(
            Reason.AMBIGUOUS,
            f"the quotation stands in its source {len(whole)} times: quote more of it",
        )
    return whole[0]


def places_of(quote: str, content: bytes, *, is_code: bool) -> list[Span]:
    """Return every place of a quotation that cuts no word, of code no line."""
    return [
        span
        for span in _places(fold(quote), content)
        if _is_whole(content, span) and (not is_code or _has_whole_lines(content, span))
    ]


def lines_of(content: bytes, span: Span) -> tuple[int, int]:
    """Return the first and the last line of a span, counted from 1."""
    first = 1 + len(_LINE_ENDS.findall(content[: span.start]))
    return first, first + len(_LINE_ENDS.findall(content[span.start : span.end]))


def _chosen(
    spans: list[Span], content: bytes, start: int | None, end: int | None
) -> Span | Rejection:
    for span in spans:
        # White space at its ends belongs to a quotation or does not.
        before = start is None or (
            start <= span.start and not fold_bytes(content[start : span.start])
        )
        after = end is None or (span.end <= end and not fold_bytes(content[span.end : end]))
        if before and after:
            return span
    return Rejection(
        Reason.WRONG_OFFSET,
        f"the quotation does not stand at the bytes {start} to {end}, but at"
        f" {spans[0].start} to {spans[0].end}",
    )


def fold_bytes(content: bytes) -> str:
    """Return bytes of UTF-8 folded."""
    return fold(content.decode("utf-8", "surrogateescape"))


def _places(words: str, content: bytes) -> Iterator[Span]:
    """Yield every place of folded ``words``, as bytes of the original."""
    if not words:
        return
    folded = _folded(content)
    at = folded.text.find(words)
    for _ in range(_MOST_PLACES):
        if at < 0:
            return
        stop = at + len(words)
        is_apart = stop == len(folded.text) or folded.begins_piece(stop)
        if is_apart and folded.begins_piece(at):
            yield Span(*folded.span(at, stop))
        at = folded.text.find(words, at + 1)


@lru_cache(maxsize=8)
def _folded(content: bytes) -> Folded:
    """Fold a source once for all that is quoted from it."""
    return Folded.of(content)


def _is_whole(content: bytes, span: Span) -> bool:
    """Return whether a span cuts neither a word nor a number: "supported" is not "unsupported",
    "can" not "can't", "safe" not "thread-safe".
    """
    before = content[max(0, span.start - 16) : span.start].decode("utf-8", "ignore")
    after = content[span.end : span.end + 16].decode("utf-8", "ignore")
    inside = content[span.start : span.end].decode("utf-8", "surrogateescape")
    if before and _is_letter(inside[0]) and _ends_in_word(before):
        return False
    if after and _is_letter(inside[-1]) and _ends_in_word(after[::-1]):
        return False
    if inside[0].isdecimal() and re.search(
        r"\d[.,:/\u2044]$|(?:^|[\s(\[{=<>,:])[-\u2212]$", before
    ):
        return False
    return not (inside[-1].isdecimal() and _IN_NUMBERS.match(after))


def _ends_in_word(text: str) -> bool:
    """Return whether a text ends in a word, or in what joins a word to what follows."""
    last, before = text[-1], text[-2:-1]
    return _is_letter(last) or (last in _JOINTS and before != "" and _is_letter(before))


def _is_letter(char: str) -> bool:
    """Return whether a character is of a word; scripts without blanks have none that counts."""
    return char == "_" or unicodedata.category(char) in ("Lu", "Ll", "Lt", "Nd", "Mn")


def _has_whole_lines(content: bytes, span: Span) -> bool:
    before = (content.rfind(end, 0, span.start) for end in (b"\n", b"\r"))
    after = _LINE_ENDS.search(content, span.end)
    stop = len(content) if after is None else after.start()
    return not fold_bytes(content[max(before) + 1 : span.start] + content[span.end : stop])
