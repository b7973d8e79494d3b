"""How a plan names files: letter for letter, or as a glob; never by what a regular expression does.

A name in brackets that is no class of characters stands for itself, for routes of web frameworks
are files like ``app/[slug]/[[...rest]]/page.tsx``. Names are compared in one Unicode form.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache

_MOST_ALTERNATIVES = 64
_LONGEST = 4096
_ROUTE = re.compile(r"[\w.-]{4,}")


class BadPattern(ValueError):
    """A pattern that means nothing; the message says why."""


class Exact(str):
    """A pattern that names something which was there before: it means that and nothing else."""

    __slots__ = ()


_Step = Callable[[str], bool] | None
"""Says whether a character fits; None for a star, which any number of them do."""
_Component = tuple[tuple[_Step, ...], ...] | None
"""What a name may be, each by its steps; None for any number of folders."""


def as_meant(patterns: Iterable[str], paths: Collection[str]) -> tuple[str, ...]:
    """Return the patterns, those that name a file or folder of ``paths`` letter for letter exact.

    ``paths`` are what a plan's author may have had in view, never what an agent made.
    """
    wanted = tuple(patterns)
    special = {_cleaned(pattern) for pattern in wanted if re.search(r"[*?\[{]", pattern)}
    if not special:
        return wanted
    there: set[str] = set()
    for path in paths:
        parts = unicodedata.normalize("NFC", path).split("/")
        there.update("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    return tuple(Exact(one) if _cleaned(one) in special & there else one for one in wanted)


def matches(path: str, pattern: str) -> bool:
    """Return whether ``pattern`` covers ``path``; both are relative to the root, with ``/``.

    A file's or folder's name covers itself and all below it, ``folder/`` likewise. In a glob
    ``*`` and ``?`` stay within a path component, ``**`` crosses them, ``[a-z]`` and ``{a,b}`` mean
    what they mean in a shell, and a match of a folder covers all below it. ``.`` is the whole
    tree. A pattern that means nothing still covers what is called so.
    """
    path, name = unicodedata.normalize("NFC", path), _cleaned(pattern)
    if name == "." or path == name or path.startswith(f"{name}/"):
        return True
    if isinstance(pattern, Exact):
        return False
    try:
        alternatives = _compiled(name)
    except BadPattern:
        return False
    parts = path.split("/")
    return any(_covers(parts, components) for components in alternatives)


def check_pattern(pattern: str) -> None:
    """Raise BadPattern when the pattern can mean nothing but a name that looks like a mistake."""
    _compiled(_cleaned(pattern))


def _cleaned(pattern: str) -> str:
    return posixpath.normpath(unicodedata.normalize("NFC", pattern))


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> tuple[tuple[_Component, ...], ...]:
    if len(pattern) > _LONGEST:
        raise BadPattern(f"is longer than {_LONGEST} characters")
    found: list[tuple[_Component, ...]] = []
    for one in _expanded(pattern):
        found.append(tuple(_components(one)))
        if len(found) > _MOST_ALTERNATIVES:
            raise BadPattern(f"stands for more than {_MOST_ALTERNATIVES} patterns")
    return tuple(found)


def _expanded(pattern: str) -> Iterator[str]:
    """Yield the patterns that ``{a,b}`` and a ``**`` within a name stand for."""
    braces = _alternatives(pattern)
    if braces is not None:
        start, end, options = braces
        for option in options:
            yield from _expanded(pattern[:start] + option + pattern[end:])
        return
    mixed = re.search(r"(?<![^/])([^/]*)\*\*+([^/]*)(?![^/])", pattern)
    while mixed is not None and mixed[0].strip("*") == "":
        mixed = re.compile(r"(?<![^/])([^/]*)\*\*+([^/]*)(?![^/])").search(pattern, mixed.end())
    if mixed is None:
        yield pattern
        return
    before, after = pattern[: mixed.start()], pattern[mixed.end() :]
    for middle in (f"{mixed[1]}*{mixed[2]}", f"{mixed[1]}*/**/*{mixed[2]}"):
        yield from _expanded(before + middle + after)


def _alternatives(pattern: str) -> tuple[int, int, list[str]] | None:
    """Return the first ``{a,b}``: where it begins and ends, and its options. Others stand as they
    are.
    """
    for start, letter in enumerate(pattern):
        if letter != "{":
            continue
        depth, options, since = 0, list[str](), start + 1
        for at in range(start, len(pattern)):
            if pattern[at] == "{":
                depth += 1
            elif pattern[at] == "," and depth == 1:
                options.append(pattern[since:at])
                since = at + 1
            elif pattern[at] == "}":
                depth -= 1
                if depth == 0 and options:
                    return start, at + 1, [*options, pattern[since:at]]
                if depth == 0:
                    break
    return None


def _components(pattern: str) -> Iterator[_Component]:
    parts = pattern.split("/")
    for number, part in enumerate(parts):
        if part.strip("*") == "" and len(part) > 1:
            if number == len(parts) - 1:
                yield ((None,),)  # what is below a folder, not the folder
            else:
                yield None
        else:
            meant = tuple(_steps(part, classes=True))
            # A bracket is a letter too, also beside a star: [slug]-*.tsx.
            yield (meant, tuple(_steps(part, classes=False))) if "[" in part else (meant,)


def _steps(part: str, *, classes: bool) -> Iterator[_Step]:
    at = 0
    while at < len(part):
        letter = part[at]
        if letter == "*":
            yield None
        elif letter == "?":
            yield _anything
        elif letter == "[" and classes and (end := _end_of_class(part, at)) is not None:
            yield _class(part[at + 1 : end])
            at = end
        else:
            yield letter.__eq__
        at += 1


def _anything(_: str) -> bool:
    return True


def _end_of_class(part: str, start: int) -> int | None:
    """Return where the class that begins at ``start`` ends; None when the bracket stands for
    itself.
    """
    if part.startswith(("[[", "[..."), start) or (start and part[start - 1] == "["):
        return None
    first = start + 1 + (part[start + 1 : start + 2] in ("!", "^"))
    end = part.find("]", first + 1)
    if end < 0 or _is_name(part[start + 1 : end]):
        return None
    return end


def _is_name(inside: str) -> bool:
    """Return whether what is in brackets is a word with letters out of order, not a range:
    sign-in.
    """
    return bool(_ROUTE.fullmatch(inside)) and any(low > high for low, high in _ranges(inside))


def _ranges(inside: str) -> list[tuple[str, str]]:
    return re.findall(r"(.)-(.)", inside, re.DOTALL)


def _class(inside: str) -> Callable[[str], bool]:
    negated = inside.startswith(("!", "^"))
    body = inside[1:] if negated else inside
    members: set[str] = set()
    spans: list[tuple[str, str]] = []
    at = 0
    while at < len(body):
        if body[at + 1 : at + 2] == "-" and at + 2 < len(body):
            low, high = body[at], body[at + 2]
            if low > high:
                raise BadPattern(f"has the range {low}-{high} in it, which is the wrong way round")
            spans.append((low, high))
            at += 3
        else:
            members.add(body[at])
            at += 1

    def fits(letter: str) -> bool:
        found = letter in members or any(low <= letter <= high for low, high in spans)
        return found != negated

    return fits


def _covers(parts: Sequence[str], components: Sequence[_Component]) -> bool:
    """Return whether the components match the path, or a folder that it lies in.

    Both levels go back to the last star only, which is enough and takes no more than a product.
    """
    at, part, star, mark = 0, 0, -1, 0
    while True:
        if at == len(components):
            return True
        component = components[at]
        if component is None:
            star, mark, at = at, part, at + 1
        elif part < len(parts) and any(_fits(parts[part], steps) for steps in component):
            at, part = at + 1, part + 1
        elif star >= 0 and mark < len(parts):
            mark += 1
            at, part = star + 1, mark
        else:
            return False


def _fits(name: str, component: tuple[_Step, ...]) -> bool:
    at, letter, star, mark = 0, 0, -1, 0
    while letter < len(name):
        if at < len(component) and component[at] is None:
            star, mark, at = at, letter, at + 1
        elif at < len(component) and (step := component[at]) is not None and step(name[letter]):
            at, letter = at + 1, letter + 1
        elif star >= 0:
            mark += 1
            at, letter = star + 1, mark
        else:
            return False
    return all(step is None for step in component[at:])
