"""The terms by which a text is found: words, identifiers and the parts of identifiers."""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[^\W\d]\w+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
_LONGEST = 64
# They are everywhere, in English or in code, and would only fill the index.
_COMMON = frozenset(
    [
        "the",
        "an",
        "and",
        "or",
        "of",
        "to",
        "in",
        "is",
        "it",
        "its",
        "be",
        "by",
        "as",
        "at",
        "on",
        "if",
        "for",
        "not",
        "no",
        "with",
        "from",
        "this",
        "that",
        "are",
        "was",
        "self",
        "cls",
        "def",
        "class",
        "return",
        "import",
        "none",
        "true",
        "false",
        "else",
        "elif",
        "str",
        "int",
        "bool",
        "let",
        "const",
        "var",
        "function",
        "new",
    ]
)


def terms(text: str, *, most: int | None = None) -> list[str]:
    """Return the terms of ``text`` in order, repeated ones again, at most ``most``."""
    found: list[str] = []
    for word in _WORD.findall(text):
        found += _terms_of(word)
        if most is not None and len(found) >= most:
            return found[:most]
    return found


@lru_cache(maxsize=200_000)
def _terms_of(word: str) -> tuple[str, ...]:
    if len(word) > _LONGEST:
        return ()
    parts = [_stem(part.lower()) for part in _PART.findall(word)]
    whole = word.strip("_").lower()
    told = [part for part in parts if len(part) > 1 and part not in _COMMON]
    return tuple([whole, *told] if len(parts) > 1 else told)


def _stem(word: str) -> str:
    """Return a plural without its ending: tasks speak of one of a thing or of several."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
