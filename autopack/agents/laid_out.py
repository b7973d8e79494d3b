"""Lines of a program's output in which a JSON value that is laid out over several is one."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_BEGINS, _ENDS = (b"{", b"["), (b"}", b"]")
# Colours, cursor movements and titles.
_UNSEEN = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_=>])")
_MOST_ON_A_LINE = 1_000
_NOT_BLANK = re.compile(r"\S")
_OBJECT = re.compile(r'\{\s*"')
_LIKE_ONE = re.compile(rb'\{\s*"|\A\[?\{')
_DECODER = json.JSONDecoder()


def laid_out(lines: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Yield ``lines``; those of a value that is laid out over several as one.

    It begins at the end of a line and ends at the margin of another; the text before and behind it
    comes on its own. What is longer than ``most`` bytes, is cut off, or is no JSON after all comes
    as it stands.
    """
    held: list[bytes] = []
    size = 0
    for line in lines:
        left = line
        if held and line.startswith(_ENDS):
            before = held[0].rstrip()[:-1]
            whole = b"".join((*held, line[:1], b"\n"))[len(before) :]
            if values_of(whole) is not None:
                yield from (before, whole) if before else (whole,)
                held, left = [], line[1:]
                if not left.strip():
                    continue
        bare = left.rstrip()
        if held and (left[:1] in b" \t" or not bare) and size + len(left) <= most:
            held.append(left)
            size += len(left)
        else:
            yield from held
            is_begin = bare.endswith(_BEGINS)
            held, size = [left] if is_begin else [], len(left)
            if not is_begin:
                yield left
    yield from held


def as_seen(line: bytes) -> bytes:
    """Return a line as a terminal leaves it: without colours, and what was written over."""
    plain = _uncoloured(line)
    return plain if b"\n" in plain else plain.rpartition(b"\r")[2]


def is_cut_off(line: bytes) -> bool:
    """Return whether a line is the last one and an object that its program did not write whole."""
    return not line.endswith(b"\n") and line[:1] == b"{" and values_of(line) is None


class Told(NamedTuple):
    """A JSON value, as it is written, and whether no other text shares its line."""

    value: object
    written: bytes
    is_alone: bool


def told_on(line: bytes, most: int) -> tuple[list[Told], list[bytes]]:
    """Return the JSON values on a line, and what else there looks like one and cannot be read.

    Several programs may print on a line: values stand behind text, before it, and where a terminal
    has written over them. Of a line longer than ``most`` bytes nothing is read.
    """
    plain = _uncoloured(line)
    if len(line) > most:
        return [], _unread([plain])
    told = values_of(plain)
    if told is not None:
        return _alone(told, plain), []
    found, between = list[Told](), list[bytes]()
    for written in plain.split(b"\r"):
        values = values_of(written)
        if values is None:
            scattered, rest = _scattered(written)
            found += scattered
            between += rest
        else:
            found += _alone(values, written)
    return found, _unread(between)


def _alone(values: list[object], written: bytes) -> list[Told]:
    one = written.strip()
    return [Told(value, one if len(values) == 1 else b"", is_alone=True) for value in values]


def _uncoloured(line: bytes) -> bytes:
    plain = _UNSEEN.sub(b"", line) if b"\x1b" in line else line
    return plain.strip().removeprefix(codecs.BOM_UTF8)


def _unread(pieces: Iterable[bytes]) -> list[bytes]:
    return [piece for piece in pieces if _LIKE_ONE.search(piece)]


def _scattered(written: bytes) -> tuple[list[Told], list[bytes]]:
    """Return the objects in a text, and the pieces of it before, between and after them.

    What an object that is broken or cut off had inside is part of it, and no object.
    """
    text, found, pieces = written.decode(errors="replace"), list[Told](), list[bytes]()
    done = at = 0
    while len(found) < _MOST_ON_A_LINE and (begin := _OBJECT.search(text, at)):
        try:
            value, end = _DECODER.raw_decode(text, begin.start())
        except json.JSONDecodeError as error:
            if error.msg.startswith("Unterminated string"):
                break
            at = max(error.pos, begin.end())
        except (ValueError, RecursionError):
            break
        else:
            found.append(Told(value, text[begin.start() : end].encode(), is_alone=False))
            pieces.append(text[done : begin.start()].encode())
            done = at = end
    return found, [*pieces, text[done:].encode()]


def values_of(text: bytes) -> list[object] | None:
    """Return the JSON objects or arrays of a text, of which programs that share a line print
    several; None where there is anything else.
    """
    if text[:1] not in _BEGINS:
        return None
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError):
        pass
    try:
        told, found, at = text.decode(), list[object](), 0
        while at < len(told) and len(found) < _MOST_ON_A_LINE:
            value, at = _DECODER.raw_decode(told, at)
            found.append(value)
            at = more.start() if (more := _NOT_BLANK.search(told, at)) else len(told)
    except (ValueError, RecursionError):
        return None
    return found if at >= len(told) else None
