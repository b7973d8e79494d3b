"""Which signatures read alike: Drain over their normalised lines, then two corrections of it.

Drain joins "startup succeeded" and "shutdown succeeded", and keeps "httpd[<*>]: segfault" apart
from "sshd[<*>]: segfault". With all lines at hand both can be told: a place where few plain words
alternate holds a word of the message, unless the word before it announces a name; and what
differs in its first word alone, in many ways, varies there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence

from autopack.mining.families.drain import Drain
from autopack.repair.signatures.masks import WILDCARD

_FEW = 4
"""So many plain words may alternate at a place of a message; more of them are names."""

_MANY = 4
"""So many first words of otherwise equal lines are names."""

_FIRST_PLACES = 2
"""Words that Drain looks a line up by, and so keeps apart whatever follows."""

_LEAST_SHARED = 2
"""Plain words that lines must share besides a first word in which they differ."""

_PLAIN = re.compile(r"[\"'(\[]?[A-Za-z][a-z]+(?:-[a-z]+)?[)\]\"']?[.,:;!]*")
_EMPTY = re.compile(r"[^\w<]+")
_FLAG = re.compile(
    r"(?:[Tt]rue|[Ff]alse)[.,;)]*"
    r"|(?<==)(?:on|off|yes|no|null|none|nil|(?:en|dis)abled)[.,;)]*",
)
_SWITCHES = ({"on", "off"}, {"enabled", "disabled"}, {"up", "down"}, {"yes", "no"})
_ANNOUNCES = re.compile(
    r"(?:users?|username|logname|login|account|host|hostname|node|name|named|called|by|from|for|to|of"
    r"|at|on|device|file|class|package|process|program|service|module|component|type|state|status"
    r"|tag|key|value|database|table|domain|group|queue|topic|method|task|job|instance)[:=]?",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\s=:]+[=:]*|[=:]+")


def words_of(normalised: str) -> list[str]:
    """Return a normalised line as words, a key apart from its value."""
    return [
        WILDCARD if _FLAG.fullmatch(normalised, found.start(), found.end()) else found[0]
        for found in _WORD.finditer(normalised)
    ]


def families(normalised: Sequence[str], *, depth: int = 5, similarity: float = 0.4) -> list[int]:
    """Return the family of each distinct normalised line, numbered from 0 as they first occur."""
    lines = [words_of(line) for line in normalised]
    drain = Drain(depth=depth, similarity=similarity)
    groups = _grouped((drain.add(words).number, place) for place, words in enumerate(lines))
    parts = [part for group in groups for part in _split(group, lines)]
    for place in range(_FIRST_PLACES):
        parts = _join(parts, lines, place)
    return _numbered(parts, len(lines))


def _split(group: list[int], lines: Sequence[Sequence[str]]) -> list[list[int]]:
    """Return the group in parts, each with one of the few plain words that alternate at a place."""
    todo, done = [group], list[list[int]]()
    while todo:
        members = todo.pop()
        key = _alternating([lines[member] for member in members])
        if key is None:
            done.append(members)
        else:
            todo += _grouped(zip(key, members, strict=True))
    return done


def _alternating(lines: Sequence[Sequence[str]]) -> Sequence[Hashable] | None:
    """Return what tells the lines apart at the first place where that is no name; None: nothing
    does.
    """
    for place, column in enumerate(zip(*lines, strict=True)):
        values = set(column)
        if len(values) == 1:
            continue
        empty = [bool(_EMPTY.fullmatch(value)) for value in column]
        if any(empty) and not all(empty):
            return empty
        if len(values) > _FEW or not all(_PLAIN.fullmatch(value) for value in values):
            continue
        is_name = place > 0 and _ANNOUNCES.fullmatch(lines[0][place - 1])
        if not is_name and {value.strip(".,;:)").lower() for value in values} not in _SWITCHES:
            return column
    return None


def _join(parts: list[list[int]], lines: Sequence[Sequence[str]], place: int) -> list[list[int]]:
    """Return the parts, together where they differ at one of the first places, which is a name."""
    templates = [_template(lines, part) for part in parts]
    alike = _grouped(
        ((*words[:place], len(words), *words[place + 1 :]), n) for n, words in enumerate(templates)
    )
    joined: list[list[int]] = []
    for numbers in alike:
        words = templates[numbers[0]]
        differing = {templates[n][place] for n in numbers if place < len(words)}
        shared = sum(bool(_PLAIN.fullmatch(word)) for word in words) - 1
        varies = len(differing) >= _MANY or all(WILDCARD in word for word in differing)
        if varies and shared >= _LEAST_SHARED:
            joined.append([member for n in numbers for member in parts[n]])
        else:
            joined += [parts[n] for n in numbers]
    return joined


def _template(lines: Sequence[Sequence[str]], part: Sequence[int]) -> list[str]:
    columns = zip(*(lines[member] for member in part), strict=True)
    return [column[0] if len(set(column)) == 1 else WILDCARD for column in columns]


def _grouped(pairs: Iterable[tuple[Hashable, int]]) -> list[list[int]]:
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for key, member in pairs:
        groups[key].append(member)
    return list(groups.values())


def _numbered(groups: list[list[int]], count: int) -> list[int]:
    found = [0] * count
    for number, group in enumerate(sorted(groups, key=min)):
        for member in group:
            found[member] = number
    return found
