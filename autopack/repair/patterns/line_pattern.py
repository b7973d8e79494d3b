"""Matches a whole line against literal text with gaps, in linear time.

The notation is a small part of regular expressions: ``^``, then letters as they are, special
characters behind a backslash, ``.*`` for any text, and ``$``. Nothing in it can backtrack: with
gaps of any length the leftmost occurrence of each literal is always right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from autopack.model.errors import BadInput

LONGEST = 2_000
_SPECIAL = frozenset(r".^$*+?{}[]\|()")
_GRAMMAR = "use ^, letters as they are, \\ before special characters, .* for any text, and $"


@dataclass(frozen=True)
class LinePattern:
    """A line that begins with the first literal, holds the others in order, ends with the last."""

    literals: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> LinePattern:
        """Return the pattern of its notation. Raises BadInput naming ``regex``."""
        if not (text.startswith("^") and text.endswith("$")) or len(text) > LONGEST:
            raise _wrong("is not anchored, or longer than 2,000 characters")
        literals, here, place, body = list[str](), "", 0, text[1:-1]
        while place < len(body):
            letter = body[place]
            if body.startswith(".*", place):
                literals.append(here)
                here, place = "", place + 2
            elif letter == "\\" and place + 1 < len(body) and not body[place + 1].isalnum():
                here, place = here + body[place + 1], place + 2
            elif letter in _SPECIAL or letter == "\n":
                raise _wrong(f"holds {letter!r} at position {place + 2}")
            else:
                here, place = here + letter, place + 1
        return cls((*literals, here))

    @property
    def text(self) -> str:
        """Return the notation that `parse` reads."""
        return "^" + ".*".join(_escaped(literal) for literal in self.literals) + "$"

    def matches(self, line: str) -> bool:
        """Return whether the whole of ``line`` matches, in time linear in it."""
        first, *rest = self.literals
        if not rest:
            return line == first
        *middle, last = rest
        if len(line) < len(first) + len(last) or not (
            line.startswith(first) and line.endswith(last)
        ):
            return False
        place, end = len(first), len(line) - len(last)
        for literal in middle:
            found = line.find(literal, place, end)
            if found < 0:
                return False
            place = found + len(literal)
        return True


def _escaped(literal: str) -> str:
    return "".join(f"\\{letter}" if letter in _SPECIAL else letter for letter in literal)


def _wrong(what: str) -> BadInput:
    return BadInput(f"regex {what}", field="regex", hint=_GRAMMAR)


_WORD = re.compile(r"[A-Za-z]{3,}")


def words_in(pattern: LinePattern) -> list[str]:
    """Return the words of three letters or more that every matching line holds."""
    return [word for literal in pattern.literals for word in _WORD.findall(literal)]
