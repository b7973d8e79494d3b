"""What became of cited lines in a later version of their file: the same, moved, or changed."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

from autopack.research.folding import fold
from autopack.research.quoting import Span, lines_of, places_of

_MOST_COMPARED = 4_000
"""So many lines that differ are compared; above that a block of lines is looked for as a whole."""
_SHOWN = 120


@dataclass(frozen=True)
class ChangedLine:
    """The first cited line that is not as it was. ``now`` is None where nothing stands for it."""

    number: int
    was: str
    now: str | None

    def __str__(self) -> str:
        became = "is gone" if self.now is None else f"is now {self.now!r}"
        return f"line {self.number}, {self.was!r}, {became}"


def changed_line(old: bytes, span: Span, new: bytes, *, is_code: bool) -> ChangedLine | None:
    """Return the first line of ``span`` that changed from ``old`` to ``new``; None when none did.

    Lines are compared folded, as quotations are. Lines that moved are not changed, nor are words
    that still stand in a line of prose which changed elsewhere.
    """
    if old == new:
        return None
    first, last = lines_of(old, span)
    before, after = _lines(old), _lines(new)
    found = _first_difference(before, after, first - 1, last - 1)
    if found is None:
        return None
    quote = old[span.start : span.end].decode("utf-8", "surrogateescape")
    places = [len(places_of(quote, each, is_code=is_code)) for each in (old, new)]
    if places[1] >= places[0]:
        return None
    number, now = found
    return ChangedLine(number + 1, _shown(before[number]), None if now is None else _shown(now))


def _first_difference(
    before: list[str], after: list[str], first: int, last: int
) -> tuple[int, str | None] | None:
    """Return the first of the lines that differs, and what stands in its place."""
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    if last < head or first >= len(before) - tail:
        return None
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    if max(len(old), len(new)) > _MOST_COMPARED:
        block = before[first : last + 1]
        found = any(after[at : at + len(block)] == block for at in range(len(after)))
        return None if found else (first, None)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for kind, start, end, to, to_end in matcher.get_opcodes():
        start, end = start + head, end + head
        if kind == "equal":
            continue
        if kind == "insert":
            if first < start <= last:
                return start, new[to]
        elif start <= last and end > first:
            number = max(start, first)
            at = to + number - start
            return number, new[at] if kind == "replace" and at < to_end else None
    # The lines around the differing ones are equal, and a block may reach into both.
    return None


def _common(one: list[str], other: list[str]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def _lines(content: bytes) -> list[str]:
    text = content.decode("utf-8", "surrogateescape").replace("\r\n", "\n").replace("\r", "\n")
    return [fold(line) for line in text.split("\n")]


def _shown(line: str) -> str:
    text = line.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
