"""Reads text or Markdown into headings, list items and sentences, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from autopack.plan.normalise.words import starts_with_verb


class Kind(StrEnum):
    """What a block is."""

    HEADING = "heading"
    ITEM = "item"
    SENTENCE = "sentence"
    CODE = "code"


@dataclass(frozen=True)
class Block:
    """A piece of the text.

    ``level`` is a heading's (1 to 7) or an item's depth of nesting (from 0); ``number`` an item's
    or heading's own number; ``ticked`` an item's box, None without one; ``language`` that of
    fenced code.
    """

    kind: Kind
    text: str
    line: int
    level: int = 0
    number: int | None = None
    ticked: bool | None = None
    language: str = ""


_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)")
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.+?)[ \t]*#*$")
_BOLD = re.compile(r"^\s*(?:\*\*|__)([^*_\n]{1,120}?)(?:\*\*|__):?\s*$")
_TITLE = re.compile(r"^([A-Z][^.!?:\n]{1,60}):$")
_ITEM = re.compile(
    r"^([ \t]*)(?:[-*+•‣◦–]|(?:[Ss]tep |\()?(\d{1,3})[.):]\)?|[a-z][.)])[ \t]+(.+)$"  # noqa: RUF001
)
_BOX = re.compile(r"^\[([ xX])\][ \t]+")
_NUMBERED_TITLE = re.compile(
    r"^(?:(?:Phase|Step|Milestone|Part|Stage)\s+(\d{1,3})|(\d{1,3})[.)])\b"
)
_UNDERLINE = re.compile(r"^(?:=|-){3,}[ \t]*$")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]?\s+(?=[\"'(`\[]?[A-Z0-9`])")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs|cf|approx|Mr|Dr|No)\.$")
# Not the underscores of __init__.py.
_EMPHASIS = re.compile(r"(?<![\w/.`])(\*\*|__)(?=\S)(.+?)(?<=\S)\1(?![\w.`])")
_LINK = re.compile(r"\[([^\]\n]{1,300})\]\([^)\s]{0,300}\)")


def read_blocks(text: str) -> tuple[Block, ...]:
    """The blocks of ``text`` in order; emphasis and link targets are left out."""
    plain = _CONTROL.sub(" ", text.replace("\r\n", "\n").expandtabs(4))
    return tuple(_split(plain.split("\n")))


def _split(lines: list[str]) -> Iterator[Block]:
    paragraph: list[tuple[int, str]] = []
    item: Block | None = None
    indents: list[int] = []
    at = 0
    while at < len(lines):
        raw, number = lines[at], at + 1
        line = re.sub(r"^ {0,3}(?:> ?)+", "", raw)
        at += 1
        fence = _FENCE.match(line)
        found = None if fence else _ITEM.match(line)
        heading = None if fence or found else _heading(line, lines[at] if at < len(lines) else "")
        if item and not (fence or found or heading) and line.strip() and line[:1] == " ":
            item = replace(item, text=f"{item.text} {_plain(line)}")
            continue
        if item and (line.strip() or fence):
            yield item
            item = None
        if fence or found or heading or not line.strip():
            yield from _sentences(paragraph)
            paragraph = []
        if fence:
            end = next(
                (i for i in range(at, len(lines)) if _closes(lines[i], fence[1])), len(lines)
            )
            code = "\n".join(lines[at:end])
            yield Block(Kind.CODE, code, number, language=fence[2].lower())
            at = end + 1
        elif found:
            indent = len(found[1])
            while indents and indents[-1] >= indent:
                indents.pop()
            indents.append(indent)
            box = _BOX.match(found[3])
            item = Block(
                Kind.ITEM,
                _plain(found[3][box.end() :] if box else found[3]),
                number,
                level=len(indents) - 1,
                number=int(found[2]) if found[2] else None,
                ticked=box[1] != " " if box else None,
            )
        elif heading:
            indents = []
            yield replace(heading, line=number)
            at += bool(at < len(lines) and _UNDERLINE.match(lines[at]) and line.strip())
        elif line.strip():
            indents = []
            paragraph.append((number, line))
    if item:
        yield item
    yield from _sentences(paragraph)


def _closes(line: str, fence: str) -> bool:
    return line.strip().startswith(fence) and set(line.strip()) == {fence[0]}


def _heading(line: str, following: str) -> Block | None:
    marked = _HEADING.match(line)
    bold = _BOLD.match(line) or _TITLE.match(line.strip())
    if marked:
        level, title = len(marked[1]), marked[2]
    elif line.strip() and line[:1] != " " and _UNDERLINE.match(following):
        level, title = (1 if following.startswith("=") else 2), line
    elif bold:
        level, title = 7, bold[1]
    else:
        return None
    numbered = _NUMBERED_TITLE.match(_plain(title))
    number = int(numbered[1] or numbered[2]) if numbered else None
    return Block(Kind.HEADING, _plain(title).rstrip(":"), 0, level=level, number=number)


def _sentences(paragraph: list[tuple[int, str]]) -> Iterator[Block]:
    """The sentences of a paragraph; a line that begins with a verb begins a sentence."""
    pieces: list[tuple[int, str]] = []
    for number, line in paragraph:
        if pieces and not starts_with_verb(line.strip(), capital=True):
            pieces[-1] = (pieces[-1][0], f"{pieces[-1][1]} {line.strip()}")
        else:
            pieces.append((number, line.strip()))
    for number, piece in pieces:
        start = 0
        for end in [*(m.start() for m in _SENTENCE_END.finditer(piece)), len(piece)]:
            if end < len(piece) and _ABBREVIATION.search(piece, max(start, end - 10), end):
                continue
            sentence = _plain(piece[start:end])
            start = end
            if sentence:
                yield Block(Kind.SENTENCE, sentence, number)


def _plain(text: str) -> str:
    return " ".join(_LINK.sub(r"\1", _EMPHASIS.sub(r"\2", text)).split())
