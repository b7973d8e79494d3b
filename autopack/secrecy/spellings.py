"""The spellings in which a secret may stand in a text, and where in the text they stand.

A text is looked at as it is and decoded (JSON and HTML escapes, percent signs, twice over), each
time without line ends, colour codes and what else a terminal does not show, and in lower case. So
a key is found that was wrapped, coloured or quoted, and its base64 and hexadecimal spellings too.
"""

from __future__ import annotations

import base64
import bisect
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from html import unescape
from typing import Final

SHORTEST: Final = 8
"""Shorter values are words and numbers that occur in any text."""

# Of what is so long a beginning is masked too: half of it, but not less and not more than this.
_SHORTEST_KEY = 16
_SHORTEST_HEAD, _LONGEST_HEAD = 10, 12
_SHORTEST_BARE = 12
_LEVELS = 2

# Each begins with one class of bytes, which lets the search pass over all others quickly.
_CODES: Final = (
    # ANSI sequences, then control and formatting characters: what no terminal shows.
    rb"(?<=\x1b)(?:\[[0-?]{0,60}[ -/]{0,9}[@-~]|[\]PX^_][^\x07\x1b]{0,400}(?:\x07|\x1b\\)"
    rb"|[ -/]?[0-~])"
    rb"|(?<=[\x00-\x08\x0b\x0c\x0e-\x1f\x7f])"
    rb"|(?<=\xc2)[\x80-\x9f\xad]|(?<=\xe2)(?:\x80[\x8b-\x8f\xaa-\xae]|\x81[\xa0-\xa9])"
    rb"|(?<=\xef)\xbb\xbf"
    # The same in the notation of ``cat -v``.
    rb"|(?<=\^)\[\[[0-?]{0,60}[ -/]{0,9}[@-~]"
)
# A line end with the blanks around it.
_WRAPS: Final = (
    rb"|(?<=[\r\n])[\r\n]*[ \t]{0,400}|(?<=\\)[\r\n]+[ \t]{0,400}"
    rb"|(?<=[ \t])(?<![ \t][ \t])[ \t]{0,400}\\?[\r\n]+[ \t]{0,400}"
)
_UNSEEN: Final = re.compile(rb"[\x00-\x20\x7f\\\^\xc2\xe2\xef](?:" + _CODES + _WRAPS + rb")")
# All but letters and digits, frames included: what quoting, wrapping and marking leave between.
_BETWEEN: Final = re.compile(rb"(?:[^0-9A-Za-z\x80-\xff]|\xe2[\x94-\x96][\x80-\xbf])+")
_ESCAPES: Final = re.compile(
    rb'\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}(?:\\u[dD][c-fC-F][0-9A-Fa-f]{2})?|u\{0{0,4}[0-9A-Fa-f]{1,4}\}'
    rb"|x[0-9A-Fa-f]{2}|[0-3][0-7]{2}|e)"
)
# Bytes in a list, as dumps and sources have them.
_LISTED: Final = re.compile(
    rb"\b0[xX][0-9A-Fa-f]{2}(?:[,; \t\r\n]{1,8}0[xX][0-9A-Fa-f]{2}){7,511}\b"
)
_BYTE: Final = re.compile(rb"0[xX]([0-9A-Fa-f]{2})")
_HTML: Final = re.compile(
    rb"&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});|&#[0-9]{1,7}(?=[^0-9;])"
)
_PERCENT: Final = re.compile(rb"%[0-9A-Fa-f]{2}")
_SIMPLE: Final = {
    b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"e": b"\x1b",
}  # fmt: skip

# A secret of such characters alone is one word: cut short it is still a part of a key. Others,
# such as addresses and sentences, begin like much that is no secret.
_OPAQUE: Final = re.compile(r"[A-Za-z0-9._~+/!@$%^&*()-]+={0,2}")
_BASE64: Final = b"abcdefghijklmnopqrstuvwxyz0123456789+/-_="


_By = bytes | Callable[[re.Match[bytes]], bytes]


@dataclass(frozen=True)
class Spelling:
    """How a secret may be written, in lower case and without what is not seen.

    It is found by its ``head``, and goes on as far as the text is the same. ``padding`` counts the
    characters on either side that hold the rest of its first and last bytes. ``bare`` means its
    letters and digits alone.
    """

    whole: bytes
    head: bytes
    padding: int = 0
    bare: bool = False

    def uncut(self) -> Spelling:
        """Return the same, found only where it is whole."""
        return replace(self, head=self.whole)


def spellings(secret: str) -> set[Spelling]:
    """Return the ways in which a secret may be written; none for what is too short."""
    if len(secret) < SHORTEST:
        return set()
    found = set(_plain(secret))
    if "\n" in secret:
        # A key of several lines is one also where its lines are told one by one.
        lines = (line.strip() for line in secret.splitlines())
        found |= {
            one
            for line in lines
            if len(line) >= 2 * SHORTEST and "-----" not in line
            for one in _plain(line)
        }
    return found


def is_key(secret: str) -> bool:
    """Return whether a secret is one that nobody would write by chance: long and of all kinds."""
    kinds = (str.isdigit, str.isalpha)
    return len(secret) >= _SHORTEST_KEY and all(any(map(kind, secret)) for kind in kinds)


def as_bytes(secret: str) -> bytes:
    """Return the bytes of a secret, which the environment may hold in no known encoding."""
    try:
        return secret.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return secret.encode("utf-8", "surrogatepass")


def _plain(secret: str) -> Iterator[Spelling]:
    opaque = _OPAQUE.fullmatch(secret) is not None
    raw = as_bytes(secret)
    yield from _spelling(raw, opaque=opaque)
    for text in {secret, secret.upper(), secret.lower()}:  # only ASCII is compared without case
        # As it is, and as decoding a text changes it that it stands in as it is.
        for view in _decoded(_View(text.encode("utf-8", "surrogatepass"))):
            yield from _spelling(view.text, opaque=opaque)
    yield from _spelling(raw.hex().encode(), opaque=opaque)
    backwards = secret[::-1].encode("utf-8", "surrogatepass")
    once = base64.b64encode(raw)
    for whole in (backwards, base64.b32encode(raw).rstrip(b"="), base64.b64encode(once)[:-4]):
        yield from _spelling(whole, opaque=opaque)
    for before in range(3):
        code = base64.b64encode(bytes(before) + raw)
        # What the bytes before and behind have a part in is not known.
        core = code[(0, 2, 3)[before] : len(raw + bytes(before)) * 8 // 6]
        if len(core) >= SHORTEST:
            for one in (core, core.translate(bytes.maketrans(b"+/", b"-_"))):
                yield from _spelling(one, opaque=opaque, padding=3)


def _spelling(form: bytes, *, opaque: bool, padding: int = 0) -> Iterator[Spelling]:
    whole = _UNSEEN.sub(b"", form).lower()
    is_key = opaque and len(whole) >= _SHORTEST_KEY
    enough = max(min(_LONGEST_HEAD, len(whole) // 2), _SHORTEST_HEAD) if is_key else len(whole)
    yield Spelling(whole, whole[:enough], padding)
    bare = _BETWEEN.sub(b"", whole)
    if len(bare) >= _SHORTEST_BARE:
        yield Spelling(bare, bare, bare=True)


class _View:
    """A text after some pieces were replaced, which can tell where everything came from."""

    def __init__(
        self,
        text: bytes,
        above: _View | None = None,
        pieces: re.Pattern[bytes] | None = None,
        by: _By = b"",
    ) -> None:
        self.text = text
        self._above, self._pieces, self._by = above, pieces, by

    def replaced(self, pieces: re.Pattern[bytes], by: _By) -> _View:
        """This text with each of the ``pieces`` replaced."""
        text, count = pieces.subn(by, self.text)
        return _View(text, self, pieces, by) if count else self

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Return where in the original text ``start`` to ``end`` of this one is."""
        if self._above is None:
            return start, end
        return self._above.source(self._source(start), self._source(end - 1, last=True))

    def _source(self, place: int, *, last: bool = False) -> int:
        """Return the place above; of a replaced piece its start, or with ``last`` the place behind
        it.
        """
        here, there = self._borders
        after = bisect.bisect_right(here, place)
        if after % 2:  # inside a piece
            return there[after] if last else there[after - 1]
        offset = place - here[after - 1] if after else place
        return (there[after - 1] if after else 0) + offset + last

    @cached_property
    def _borders(self) -> tuple[list[int], list[int]]:
        """Where pieces begin and end, here and above; found only where something is to be masked,
        for it takes far longer than the text itself."""
        here: list[int] = []
        there: list[int] = []
        read = written = 0
        if self._above is not None and self._pieces is not None:
            for piece in self._pieces.finditer(self._above.text):
                new = self._by if isinstance(self._by, bytes) else self._by(piece)
                written += piece.start() - read
                here += (written, written + len(new))
                there += (piece.start(), piece.end())
                written += len(new)
                read = piece.end()
        return here, there


def find(text: bytes, wanted: Iterable[Spelling]) -> list[tuple[int, int]]:
    """Return where the ``wanted`` spellings stand in ``text``: sorted, apart from each other."""
    wanted = tuple(wanted)
    if not wanted or not text:
        return []
    spans = [
        view.source(*span)
        for decoded in _decoded(_View(text))
        for view, bare in _looks(decoded)
        for span in _matches(view.text.lower(), [one for one in wanted if one.bare is bare])
    ]
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def _looks(view: _View) -> Iterator[tuple[_View, bool]]:
    """A text without what is not seen, and its letters and digits alone."""
    seen = view.replaced(_UNSEEN, b"")
    yield seen, False
    yield seen.replaced(_BETWEEN, b""), True


def _decoded(view: _View) -> Iterator[_View]:
    """Yield a text as it is, and decoded as often as that changes something, up to a bound."""
    ways: tuple[tuple[re.Pattern[bytes], _By], ...]
    ways = (
        (_ESCAPES, _of_escape),
        (_PERCENT, _of_percent),
        (_HTML, _of_html),
        (_LISTED, _of_listed),
    )
    yield view
    todo = [(view, 0)]
    for _ in range(_LEVELS):
        todo = [
            (made, number)
            for one, first in todo
            # In whichever order it comes to the same.
            for number, (pieces, by) in list(enumerate(ways))[first:]
            if (made := one.replaced(pieces, by)) is not one
        ]
        yield from (one for one, _ in todo)


def _matches(text: bytes, wanted: Iterable[Spelling]) -> Iterator[tuple[int, int]]:
    for one in wanted:
        start = text.find(one.head)
        while start >= 0:
            end = start + len(one.head)
            end += _common(text[end : end + len(one.whole)], one.whole[len(one.head) :])
            begin = start
            for _ in range(one.padding):
                begin -= begin > 0 and text[begin - 1] in _BASE64
                end += end < len(text) and text[end] in _BASE64
            yield begin, end
            start = text.find(one.head, end)


def _common(text: bytes, whole: bytes) -> int:
    """Return how many bytes two texts have in common at their beginning."""
    if text == whole:
        return len(whole)
    return next(
        (at for at, (one, other) in enumerate(zip(text, whole, strict=False)) if one != other),
        min(len(text), len(whole)),
    )


def _of_escape(match: re.Match[bytes]) -> bytes:
    piece = match.group()
    if piece[1:2] == b"x":
        return bytes.fromhex(piece[2:].decode())
    if piece[1:2].isdigit():
        return bytes([int(piece[1:], 8)])
    if piece[1:3] == b"u{":
        return chr(int(piece[3:-1], 16)).encode("utf-8", "surrogatepass")
    if piece[1:2] != b"u":
        return _SIMPLE.get(piece[1:2], piece[1:2])
    return json.loads(b'"' + piece + b'"').encode("utf-8", "surrogatepass")


def _of_percent(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match.group()[1:].decode())


def _of_listed(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(b"".join(_BYTE.findall(match.group())).decode())


def _of_html(match: re.Match[bytes]) -> bytes:
    return unescape(match.group().decode()).encode("utf-8", "surrogatepass")
