"""Reads text or Markdown into headings, list items and sentences, each with its place."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from autopack.plan.normalise.check_commands import looks_like_a_check
from autopack.plan.normalise.titles import role_of_title
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
    or heading's own number; ``ticked`` an item's box or mark, None without one; ``language`` that
    of fenced code; ``quoted`` text stands behind ``>``; ``is_phase`` holds for a heading such as
    "Phase 2: API".
    """

    kind: Kind
    text: str
    line: int
    level: int = 0
    number: int | None = None
    ticked: bool | None = None
    language: str = ""
    quoted: bool = False
    is_phase: bool = False


_QUOTE = re.compile(r"^ {0,3}(?:> ?)+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)")
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.+?)[ \t]*#*$")
_BOLD = re.compile(r"^\s*(?:\*\*|__)([^*_\n]{1,120}?)(?:\*\*|__):?\s*$")
_TITLE = re.compile(r"^([^\W\d_][^.!?:：\n]{0,60})[:：]$")  # noqa: RUF001
_ITEM = re.compile(
    r"^([ \t]*)(?:[-*+•‣◦–]|\(?(\d{1,3})[.):]\)?|[a-z][.)])[ \t]+(.+)$"  # noqa: RUF001
)
_LABEL = re.compile(r"^([^:：.!?`\n]{2,60})[:：]\s")  # noqa: RUF001
_BOX = re.compile(r"^\[([ xX✓✔~-])\][ \t]+")
_SETTLED = re.compile(
    r"^(?:✅|☑️?|✔️?|❌|✗|✘|🚫|⛔|\(?(?:done|fixed|cancelled|canceled|wontfix)\b[):]+)\s*"
    r"|\s*(?:✅|☑️?|✔️?|❌|[(\[](?:done|fixed|cancelled|canceled|rejected|wontfix)[)\]]"
    r"|\s[-–—]+\s*(?:already\s+)?(?:done|fixed|finished|shipped|merged|cancelled|canceled|wontfix)[.!]?)$",  # noqa: RUF001
    re.IGNORECASE,
)
_STRUCK = re.compile(r"~~[^~\n]+~~")
_PHASE_WORDS = (
    "Phase|Step|Task|Milestone|Part|Stage|Aufgabe|Tâche|Tarea|Tarefa|Задача|任务|Schritt"
    "|Teil|Étape|Etape|Paso|Etapa|Fase|Passo|Stap|Krok|Etap"
    "|Steg|Trin|Adım|Aşama|Шаг|Этап|Фаза|Крок|Етап|步骤|阶段|ステップ|フェーズ|단계"  # noqa: RUF001
)
_PHASE = re.compile(
    rf"^(?:{_PHASE_WORDS})\s*(\d{{1,3}})\s*(?:$|[:：.)–—-]\s*)(.*)$",  # noqa: RUF001
    re.IGNORECASE,
)
_NUMBERED_TITLE = re.compile(
    rf"^(?:(?:{_PHASE_WORDS})\s*(\d{{1,3}})\b|(\d{{1,3}})[.)])", re.IGNORECASE
)
_NUMBERING = re.compile(
    rf"^(?:(?:{_PHASE_WORDS})\s*\d{{1,3}}\b\s*[:：.)–—-]?|\d{{1,3}}[.)])\s*",  # noqa: RUF001
    re.IGNORECASE,
)
_FRONT_MATTER = re.compile(r"\A---\n(?:[\w-]+:.*\n|[ \t#-].*\n|\n)*---\n")
_COMMENT = re.compile(r"^[ \t]*(?P<ticks>`{3,}+|~{3,}+)|<!--", re.MULTILINE)
_FENCE_ALONE = re.compile(r"^[ \t]*(?P<ticks>`{3,}+|~{3,}+)[ \t]*$", re.MULTILINE)
_UNDERLINE = re.compile(r"^(?:=|-){3,}[ \t]*$")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]?\s+(?=[\"'(`\[]?[A-Z0-9`])")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs|cf|approx|Mr|Dr|No)\.$")
# Not the underscores of __init__.py.
_EMPHASIS = re.compile(r"(?<![\w/.`])(\*\*|__)(?=\S)(.+?)(?<=\S)\1(?![\w.`])")
_LINK = re.compile(r"\[([^\]\n]{1,300})\]\([^)\s]{0,300}\)")


def read_blocks(text: str) -> tuple[Block, ...]:
    """Return the blocks of ``text`` in order; emphasis and link targets are omitted."""
    plain = _CONTROL.sub(" ", text.replace("\r\n", "\n").expandtabs(4))
    plain = _FRONT_MATTER.sub(_only_lines, plain, count=1)
    return tuple(_split(_without_comments(plain).split("\n")))


def without_number(title: str) -> str:
    """``title`` without the number that it starts with: "Phase 2: API" is "API"."""
    return _NUMBERING.sub("", title) or title


def _only_lines(match: re.Match[str]) -> str:
    """Return what is omitted, as empty lines, so that all others keep their numbers."""
    return "\n" * match[0].count("\n")


def _without_comments(text: str) -> str:
    """Return the text without HTML comments, but for those in fenced code; in one pass over it."""
    ends: dict[str, list[int]] = {}
    for fence in _FENCE_ALONE.finditer(text):
        ends.setdefault(fence["ticks"], []).append(fence.end())
    parts: list[str] = []
    read = at = 0
    while (found := _COMMENT.search(text, at)) is not None:
        at = found.end()
        if found["ticks"] is not None:
            closing = ends.get(found["ticks"], [])
            line_end = text.find("\n", at)
            after = bisect_right(closing, line_end if line_end >= 0 else len(text))
            at = closing[after] if after < len(closing) else at
            continue
        end = text.find("-->", at)
        at = len(text) if end < 0 else end + 3
        parts += (text[read : found.start()], "\n" * text.count("\n", found.start(), at))
        read = at
    return "".join((*parts, text[read:]))


def _split(lines: list[str]) -> Iterator[Block]:
    paragraph: list[tuple[int, str, bool]] = []
    item: Block | None = None
    indents: list[int] = []
    at = 0
    while at < len(lines):
        raw, number = lines[at], at + 1
        line = _QUOTE.sub("", raw)
        quoted = line != raw
        at += 1
        if line.lstrip().startswith("|"):  # a row of a table tells of things, and asks for none
            line = ""
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
            settled, told = _told(found[3])
            item = Block(
                Kind.ITEM,
                told,
                number,
                level=len(indents) - 1,
                number=int(found[2]) if found[2] else None,
                ticked=settled,
                quoted=quoted,
            )
        elif heading:
            indents = []
            yield replace(heading, line=number)
            at += bool(at < len(lines) and _UNDERLINE.match(lines[at]) and line.strip())
        elif line.strip():
            indents = []
            if paragraph and quoted != paragraph[-1][2]:
                yield from _sentences(paragraph)
                paragraph = []
            paragraph.append((number, line, quoted))
    if item:
        yield item
    yield from _sentences(paragraph)


def _closes(line: str, fence: str) -> bool:
    return line.strip().startswith(fence) and set(line.strip()) == {fence[0]}


def _told(item: str) -> tuple[bool | None, str]:
    """Return whether an item is settled (done or given up; None where nothing says so), and its
    text.
    """
    box = _BOX.match(item)
    text = item[box.end() :] if box else item
    unsettled = _SETTLED.sub("", _STRUCK.sub("", text)).strip()
    if not unsettled or len(_SETTLED.sub("", text)) < len(text):
        return True, _plain(_SETTLED.sub("", text))
    return (box[1] != " " if box else None), _plain(unsettled)


def _heading(line: str, following: str) -> Block | None:
    marked, phase = _HEADING.match(line), _PHASE.match(line)
    bold = _BOLD.match(line) or _titled(line.strip())
    if marked:
        level, title = len(marked[1]), marked[2]
    elif line.strip() and line[:1] != " " and _UNDERLINE.match(following):
        level, title = (1 if following.startswith("=") else 2), line
    elif bold:
        level, title = 7, bold[1]
    elif phase:
        level, title = 7, line
    else:
        return None
    title = _plain(title).rstrip(":：")  # noqa: RUF001
    numbered = _NUMBERED_TITLE.match(title)
    number = int(numbered[1] or numbered[2]) if numbered else None
    is_phase = bool(numbered and numbered[1])
    return Block(Kind.HEADING, title, 0, level=level, number=number, is_phase=is_phase)


def _titled(line: str) -> re.Match[str] | None:
    """A line that ends in a colon is a title when it starts with a capital, or names a section."""
    found = _TITLE.match(line)
    return found if found and (not line[0].islower() or role_of_title(found[1])) else None


def _sentences(paragraph: list[tuple[int, str, bool]]) -> Iterator[Block]:
    """Yield the sentences of a paragraph; a line that begins with a verb begins a sentence."""
    pieces: list[tuple[int, str, bool]] = []
    for number, line, quoted in paragraph:
        text = line.strip()
        label = _LABEL.match(text)
        apart = (
            starts_with_verb(text, capital=True)
            or looks_like_a_check(text)
            or (label is not None and role_of_title(label[1]) is not None)
        )
        if pieces and not apart:
            pieces[-1] = (pieces[-1][0], f"{pieces[-1][1]} {text}", quoted)
        else:
            pieces.append((number, text, quoted))
    for number, piece, quoted in pieces:
        start = 0
        for end in [*(m.start() for m in _SENTENCE_END.finditer(piece)), len(piece)]:
            if end < len(piece) and _ABBREVIATION.search(piece, max(start, end - 10), end):
                continue
            sentence = _plain(piece[start:end])
            start = end
            if sentence:
                yield Block(Kind.SENTENCE, sentence, number, quoted=quoted)


def _plain(text: str) -> str:
    return " ".join(_LINK.sub(r"\1", _EMPHASIS.sub(r"\2", _STRUCK.sub("", text))).split())
