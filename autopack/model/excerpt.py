"""The part of a program's output that recovery reads: its head and its tail, as plain lines."""

from __future__ import annotations

import re

HEAD = 16_384
TAIL = 65_536
"""Characters kept from either end: tools say what they are first and what went wrong last."""

_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]{0,32}[A-Za-z]|\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\))")
_LONGEST_CUT_LINE = 2_000


def excerpt(text: str) -> str:
    """``text`` without escape codes, at most HEAD + TAIL characters and a line that says so."""
    if len(text) > HEAD + TAIL:
        tail = text[-TAIL:]
        newline = tail.find("\n", 0, _LONGEST_CUT_LINE)
        # Half a line could look like the beginning of one, and every pattern is anchored there.
        tail = tail[newline + 1 :] if newline >= 0 else tail
        left_out = len(text) - HEAD - len(tail)
        text = f"{text[:HEAD]}\n[{left_out} characters left out]\n{tail}"
    return plain(text)


def plain(text: str) -> str:
    """Return ``text`` without escape codes, and with a newline for every end of a line."""
    if "\x1b" in text:
        text = _ESCAPE.sub("", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text
