"""What agents, plans and models wrote, made fit to be shown: it is text, and nothing but text.

One function for each place: a terminal, Markdown, HTML, a spreadsheet. JSON stays exact data.
"""

from __future__ import annotations

import csv
import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol
from urllib.parse import quote

_ANSI: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)|[ -/]*[0-~])"
    r"|\x9b[0-?]*[ -/]*[@-~]|[\x90\x98\x9d-\x9f][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
)
_LINE_ENDS: Final = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Control characters, formatting (direction of writing, no width).
_UNSEEN: Final = frozenset({"Cc", "Cf"})
_HALF: Final = re.compile(r"[\ud800-\udfff]")

# All that means something inside a line of Markdown, what renderers make links of included.
_MARKS: Final = re.compile(
    r"[\\`*\[\]|#~@]|(?<![^\W_])_|_(?![^\W_])|(?<=[a-z]):(?=\S)|(?<=\bwww)\.", re.IGNORECASE
)
_BEGINNING: Final = re.compile(r"[-+=]|\d{1,9}[.)]")
_TICKS: Final = re.compile(r"`+")

# A spreadsheet takes a cell for a formula that begins so, whatever blanks are before it.
_FORMULA: Final = re.compile(r"(^|;)(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20|%])")
_NUMBER: Final = re.compile(r"[+-]?\d[\d,]*(\.\d+)?([eE][+-]?\d+)?%?")


def plain(text: str) -> str:
    """Return ``text`` without control sequences and characters that are not seen.

    Lines and tabs stay. What turns the direction of writing round goes, for it shows another text
    than is there. Halves of characters, which stand for bytes that are no text, become U+FFFD.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _HALF.sub("\ufffd", _LINE_ENDS.sub("\n", _ANSI.sub("", text)))
    return "".join(
        char for char in text if char in "\n\t" or unicodedata.category(char) not in _UNSEEN
    )


def one_line(text: str) -> str:
    """Return ``text`` as ``plain`` does, in one line."""
    return " ".join(plain(text).split())


def markdown(text: str) -> str:
    """Return ``text`` as one line of Markdown that shows it as it is: no links, no images."""
    line = one_line(text)
    begins = _BEGINNING.match(line)
    start = 0 if begins is None else begins.end() - 1
    mark = "" if begins is None else "\\"
    rest = _MARKS.sub(lambda found: f"\\{found.group()}", line[start:])
    # Entities, for some renderers take a tag for one behind a backslash too.
    return line[:start] + mark + html.escape(rest, quote=False)


def prose(text: str) -> str:
    """Return ``text`` as `markdown` does, but with what stands between backquotes as code."""
    parts = re.split(r"(`[^`]+`)", one_line(text))
    return "".join(
        code(part[1:-1]) if number % 2 else _spaced(part) for number, part in enumerate(parts)
    )


def _spaced(part: str) -> str:
    """Return a part of a line as Markdown, with the blanks at its ends."""
    inner = part.strip()
    before, after = part[: len(part) - len(part.lstrip())], part[len(part.rstrip()) :]
    return f"{before}{markdown(inner)}{after if inner else ''}"


def code(text: str) -> str:
    """Return ``text`` as one line of code in Markdown; not in a table, where ``|`` ends a cell."""
    line = one_line(text)
    ticks = "`" * (max((len(run) for run in _TICKS.findall(line)), default=0) + 1)
    pad = " " if line[:1] in ("`", "") or line[-1:] == "`" else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], rule: str = "") -> str:
    """Return a table in Markdown; ``rule`` has an ``r`` for every column of figures, else a blank.

    A cell that is `Raw` stays as it is.
    """
    aligned = ("---:" if mark == "r" else "---" for mark in rule.ljust(len(header)))
    lines = [
        [cell if isinstance(cell, Raw) else markdown(cell) for cell in row]
        for row in (header, *rows)
    ]
    lines.insert(1, list(aligned))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


class Raw(str):
    """Markdown that Autopack made itself, such as a link to a page of its own."""

    __slots__ = ()


def linked(text: str, address: str) -> Raw:
    """Return a link to an address that Autopack knows."""
    target = quote(address, safe="/:?&=#%+@,;~!*[]")
    return Raw(f"[{markdown(text)}]({html.escape(target)})")


def in_html(text: str) -> str:
    """Return ``text`` for a page of HTML, in an element or in a quoted attribute."""
    return html.escape(plain(text))


class CsvWriter(Protocol):
    """What ``csv.writer`` gives."""

    def writerow(self, row: Iterable[Any], /) -> Any: ...


def write_csv(file: Any, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table that a spreadsheet shows as text and numbers, and calculates nothing of."""
    writer: CsvWriter = csv.writer(file, lineterminator="\n")
    for row in (header, *rows):
        writer.writerow([cell_of_csv(cell) for cell in row])


def cell_of_csv(value: object) -> object:
    """Return a value for a spreadsheet: numbers as they are, text in one line.

    An apostrophe says that what begins like a formula is text, also behind a semicolon, where
    some languages' spreadsheets begin a new cell.
    """
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub(r"\1\2'", text)


def in_table(value: Any) -> Any:
    """Return a value of a table in Prefect's UI: text as ``one_line`` gives it, all else as is."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {one_line(str(key)): in_table(one) for key, one in value.items()}  # pyright: ignore
    if isinstance(value, list | tuple):
        return [in_table(one) for one in value]  # pyright: ignore
    return value
