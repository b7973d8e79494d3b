"""The terms by which a text is found: words, identifiers and the parts of identifiers."""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[^\W\d]\w+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
_LONGEST = 64
# They are everywhere, in English or in code, and would only fill the index.
_COMMON = frozenset(
    {
        "the", "an", "and", "or", "of", "to", "in", "is", "it", "its", "be", "by", "as", "at",
        "on", "if", "for", "not", "no", "with", "from", "this", "that", "are", "was", "self",
        "cls", "def", "class", "return", "import", "none", "true", "false", "else", "elif", "str",
        "int", "bool", "let", "const", "var", "function", "new",
    }
)  # fmt: skip


def words(text: str) -> list[str]:
    """Return the words of ``text`` in order, identifiers whole."""
    return _WORD.findall(text)


def terms(text: str) -> list[str]:
    """Return the terms of ``text`` in order, repeated ones again."""
    return [term for word in words(text) for term in terms_of(word)]


@lru_cache(maxsize=20_000)
def terms_of(word: str) -> tuple[str, ...]:
    """Return the terms of one word: itself, and the parts of an identifier."""
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
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
