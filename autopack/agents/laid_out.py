"""Lines of a program's output in which a JSON value that is laid out over several is one."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator

_BEGINS, _ENDS = (b"{", b"["), (b"}", b"]")
# Colours, cursor movements and titles.
_UNSEEN = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_=>])")
_MOST_ON_A_LINE = 1_000
_NOT_BLANK = re.compile(r"\S")
_DECODER = json.JSONDecoder()


def laid_out(lines: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Yield ``lines``; those of a value that begins and ends at the margin as one.

    What is longer than ``most`` bytes, is cut off, or is no JSON after all comes as it stands.
    """
    held: list[bytes] = []
    size = 0
    for line in lines:
        bare = line.rstrip()
        if held and bare in _ENDS:
            whole = b"".join((*held, line))
            yield from (whole,) if values_of(whole) is not None else (*held, line)
            held = []
        elif held and (line[:1] in b" \t" or not bare) and size + len(line) <= most:
            held.append(line)
            size += len(line)
        else:
            yield from held
            is_begin = bare in _BEGINS
            held, size = [line] if is_begin else [], len(line)
            if not is_begin:
                yield line
    yield from held


def as_seen(line: bytes) -> bytes:
    """Return a line as a terminal leaves it: without colours, and what was written over."""
    plain = _UNSEEN.sub(b"", line) if b"\x1b" in line else line
    plain = plain.strip().removeprefix(codecs.BOM_UTF8)
    return plain if b"\n" in plain else plain.rpartition(b"\r")[2]


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
