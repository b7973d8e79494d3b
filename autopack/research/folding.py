"""Text as quotations are compared: NFKC, white space and quotation marks folded, nothing else.

Each folded character is still traced to the bytes that it came from. Letters that merely look
alike stay different: NFKC folds what Unicode calls the same character, and no homoglyph.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

# A run of printable ASCII; of white space; of the rest, with the letter that an accent may join.
_RUNS = re.compile(r"(?P<plain>[!-~]+(?![^\s!-~]))|(?P<space>\s+)|[!-~]?[^\s!-~]+")
_MARKS = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u301d\u301e\u301f", '"')
)
_BYTE_ORDER_MARK = "\ufeff"


def fold(text: str) -> str:
    """Return ``text`` folded, without white space at its ends."""
    return Folded.of(text).text.strip(" ")


@dataclass
class Folded:
    """A text folded, and for each stretch of it the bytes of the original it stands for."""

    text: str = ""
    _at: list[int] = field(default_factory=list[int])
    _bytes: list[tuple[int, int, bool]] = field(default_factory=list[tuple[int, int, bool]])

    @classmethod
    def of(cls, source: str | bytes) -> Folded:
        """Fold a text, or bytes that are read as UTF-8; what is none of it matches no quotation."""
        text = source if isinstance(source, str) else source.decode("utf-8", "surrogateescape")
        folded, parts, at, byte = cls(), list[str](), 0, 0
        for original, piece, is_same in _pieces(text):
            size = len(original) if is_same else len(original.encode("utf-8", "surrogateescape"))
            if piece.startswith(" ") and parts and parts[-1].endswith(" "):
                piece = piece[1:]
            if piece:
                folded._at.append(at)
                folded._bytes.append((byte, byte + size, is_same))
                parts.append(piece)
                at += len(piece)
            byte += size
        folded.text = "".join(parts)
        return folded

    def span(self, begin: int, end: int) -> tuple[int, int]:
        """Return from and up to which byte the folded characters from ``begin`` to ``end`` are."""
        first, last = self._piece(begin), self._piece(end - 1)
        start, _, is_same = self._bytes[first]
        if is_same:
            start += begin - self._at[first]
        last_start, stop, is_same = self._bytes[last]
        return start, last_start + end - self._at[last] if is_same else stop

    def begins_piece(self, at: int) -> bool:
        """Return whether a character begins what it came from, and is not its second half."""
        piece = self._piece(at)
        return self._bytes[piece][2] or self._at[piece] == at

    def _piece(self, at: int) -> int:
        return bisect_right(self._at, at) - 1


def _pieces(text: str) -> Iterator[tuple[str, str, bool]]:
    """Yield each stretch of a text, how it is folded, and whether it stays as it is."""
    if text.startswith(_BYTE_ORDER_MARK):
        yield _BYTE_ORDER_MARK, "", False
        text = text[1:]
    for run in _RUNS.finditer(text):
        found = run[0]
        if run.lastgroup == "plain":
            yield found, found, True
        elif run.lastgroup == "space":
            yield found, " ", False
        else:
            for segment in _segments(found):
                folded = unicodedata.normalize("NFKC", segment).translate(_MARKS)
                yield segment, re.sub(r"\s+", " ", folded), False


def _segments(text: str) -> Iterator[str]:
    """Yield the smallest stretches that NFKC can be taken of one by one."""
    # Most text is normalised as it is; then nothing but marks belongs to what stands before it.
    is_normal = unicodedata.is_normalized("NFKC", text)
    segment = ""
    for char in text:
        joins = bool(unicodedata.combining(char)) if is_normal else _joins(segment, char)
        if segment and not joins:
            yield segment
            segment = ""
        segment += char
    yield segment


def _joins(segment: str, char: str) -> bool:
    """Return whether a character may become one with what stands before it, if anything does."""
    if unicodedata.combining(unicodedata.normalize("NFKD", char)[0]):
        return True
    apart = unicodedata.normalize("NFKC", segment) + unicodedata.normalize("NFKC", char)
    return unicodedata.normalize("NFKC", segment + char) != apart
