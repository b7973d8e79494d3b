"""A difference as rows of a table: numbered, bounded, its code coloured by classes alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup, escape
from unidiff.errors import UnidiffParseError
from unidiff.patch import Hunk, PatchedFile, PatchSet

from autopack.views.escaping import plain
from deployments.api.page.difference.code_colours import coloured

MOST_BYTES = 1_000_000
MOST_LINES = 3_000
LONGEST_LINE = 1_000

_FILE = re.compile(r"^(?=diff --git )", re.MULTILINE)

Kind = Literal["add", "del", "same", "hunk", "note"]


@dataclass(frozen=True)
class DiffRow:
    """One line: its numbers before and after, and its code as HTML."""

    kind: Kind
    old: int | None
    new: int | None
    html: Markup


@dataclass(frozen=True)
class DiffFile:
    """One file; ``cut`` says why not all of it is shown."""

    path: str
    was: str | None
    what: str
    added: int
    removed: int
    rows: tuple[DiffRow, ...]
    cut: str | None = None


def diff_files(text: str) -> list[DiffFile]:
    """Return the files of what `git diff` printed, whatever it holds; at most 3,000 lines."""
    found: list[DiffFile] = []
    left = MOST_LINES
    for chunk in filter(None, _FILE.split(text)):
        one = _file(chunk, left)
        left -= len(one.rows)
        found.append(one)
    return found


def _file(chunk: str, most: int) -> DiffFile:
    try:
        parsed = PatchSet(chunk)
    except (UnidiffParseError, ValueError):
        return _as_text(chunk, most)
    if len(parsed) != 1:
        return _as_text(chunk, most)
    file = parsed[0]
    rows: list[DiffRow] = []
    for row in _rows(file):
        if len(rows) >= most:
            break
        rows.append(row)
    whole = sum(len(hunk) + 1 for hunk in file)
    hidden = max(whole - len(rows), 0)
    return DiffFile(
        path=_name(file.path),
        was=_name(file.source_file.removeprefix("a/")) if file.is_rename else None,
        what=_what(file, chunk),
        added=file.added,
        removed=file.removed,
        rows=tuple(rows),
        cut=f"{hidden:,} more lines are not shown" if hidden else None,
    )


def _what(file: PatchedFile, chunk: str) -> str:
    if file.is_binary_file or "\nGIT binary patch" in chunk or "\nBinary files " in chunk:
        return "binary"
    if file.is_added_file:
        return "added"
    if file.is_removed_file:
        return "removed"
    return "renamed" if file.is_rename else "changed"


def _rows(file: PatchedFile) -> Iterator[DiffRow]:
    for hunk in file:
        heading = f"@@ -{hunk.source_start} +{hunk.target_start} @@ {hunk.section_header}"
        yield DiffRow("hunk", None, None, escape(_line(heading)))
        yield from _of_hunk(file.path, hunk)


def _of_hunk(path: str, hunk: Hunk) -> Iterator[DiffRow]:
    """Yield a hunk's lines; each side is coloured as a whole, for a token may span lines."""
    lines = [(one.line_type, one.source_line_no, one.target_line_no, one.value) for one in hunk]
    texts = [_line(value) for _, _, _, value in lines]
    after = coloured(path, [t for t, (kind, *_) in zip(texts, lines, strict=True) if kind in " +"])
    before = coloured(path, [t for t, (kind, *_) in zip(texts, lines, strict=True) if kind in " -"])
    for (kind, old, new, _), text in zip(lines, texts, strict=True):
        if kind == "-":
            yield DiffRow("del", old, None, next(before))
        elif kind == "+":
            yield DiffRow("add", None, new, next(after))
        elif kind == " ":
            next(before)
            yield DiffRow("same", old, new, next(after))
        else:
            yield DiffRow("note", None, None, escape(text))


def _as_text(chunk: str, most: int) -> DiffFile:
    """Return what could not be read as a difference, such as one that was cut, line by line."""
    lines = chunk.split("\n")
    first = lines[0]
    path = first.rpartition(" b/")[2] if " b/" in first else "the rest"
    kinds: dict[str, Kind] = {"+": "add", "-": "del"}
    rows = tuple(
        DiffRow(kinds.get(line[:1], "same"), None, None, escape(_line(line[1:])))
        for line in lines[1 : most + 1]
    )
    return DiffFile(
        _name(path), None, "changed", 0, 0, rows, "it is too large to be shown as a whole"
    )


def _line(text: str) -> str:
    """Return a line as text that is seen, without its end; a very long one is cut."""
    text = text.removesuffix("\n").removesuffix("\r")
    seen = plain(text[:LONGEST_LINE]).replace("\n", "\u240d")
    more = len(text) - LONGEST_LINE
    return f"{seen} … and {more:,} more characters" if more > 0 else seen


def _name(path: str) -> str:
    return plain(path[:LONGEST_LINE]).replace("\n", " ")
