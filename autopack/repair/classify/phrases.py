"""Looks many phrases up in a long text fast: a literal part first, its pattern only where needed.

A regular expression of sixty alternatives tries each of them at every character; a search for a
literal is a hundred times faster, and most logs hold almost none of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import ascii_lowercase, ascii_uppercase

_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


def lowered(text: str) -> str:
    """``text`` with ASCII letters in lower case; unlike ``str.lower`` it keeps every position."""
    return text.translate(_LOWER)


class Phrases:
    """Phrases by a literal that each of them contains; None where the literal is all of it."""

    def __init__(self, *groups: Mapping[str, str | None]) -> None:
        self._phrases = tuple(
            (literal, re.compile(pattern, re.MULTILINE) if pattern else None)
            for phrases in groups
            for literal, pattern in phrases.items()
        )

    def find(self, text: str) -> int | None:
        """Return where the first of the phrases, in their order, stands in ``text``."""
        for literal, pattern in self._phrases:
            position = text.find(literal)
            if position < 0:
                continue
            if pattern is None:
                return position
            found = pattern.search(text)
            if found:
                return found.start()
        return None
