"""Quotations of a diff: where its lines stand, and whether a later change touched them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autopack.research.quoting import find_quote, lines_of
from autopack.research.rejection import Reason, Rejection

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_FILE = "diff --git "
_NO_FILE = "/dev/null"


class Misquoted(ValueError):
    """A quotation is not in the diff, or not clearly; the message says which."""


@dataclass(frozen=True)
class DiffLine:
    """A line of a hunk with its mark; ``before`` and ``after`` are its numbers in the file as it
    was and as it is, None where it is not there.
    """

    text: str
    before: int | None
    after: int | None


@dataclass(frozen=True)
class FileDiff:
    """The change of one file, a list of lines for each hunk."""

    path: str
    hunks: tuple[tuple[DiffLine, ...], ...]


def files_of(diff: str) -> list[FileDiff]:
    """Return the changes of files in ``diff``, which git made without renames."""
    return [FileDiff(path, tuple(_hunks(lines))) for path, lines in _sections(diff)]


def quoted_lines(diff: str, quote: str, *, path: str | None) -> tuple[str, Sequence[DiffLine]]:
    """Return the file and the lines of one hunk that ``quote`` has whole, with their marks or
    without.

    Raises Misquoted where that is nowhere, or in more than one place. A line is a line however
    short it is, as long as it has a word.
    """
    files = files_of(diff)
    if path is not None:
        named = _named(path, [one.path for one in files])
        files = [one for one in files if one.path == named]
        if not files:
            raise Misquoted(f"the change has no file {path}")
    if not re.search(r"\w", quote):
        raise Misquoted("the quotation has no word")
    for mark in (0, 1):
        places = [(file.path, _in_hunk(hunk, quote, mark)) for file in files for hunk in file.hunks]
        held = [(name, lines) for name, lines in places if not isinstance(lines, Rejection)]
        if len(held) > 1 or any(_is_ambiguous(lines) for _, lines in places):
            raise Misquoted("the quotation stands in the change more than once: quote more of it")
        if held:
            return held[0]
    raise Misquoted("the quotation is not in the change")


def _named(path: str, known: Sequence[str]) -> str | None:
    """Return the path that is meant: as git's diff writes it, or with a line behind it, too."""
    plain = re.sub(r"(?<=\w):\d+(?:[-:]\d+)?$", "", path.strip("`'\""))
    for name in (path, plain, re.sub(r"^\./", "", plain), re.sub(r"^[ab]/", "", plain)):
        if name in known:
            return name
    return None


def _in_hunk(hunk: Sequence[DiffLine], quote: str, mark: int) -> Sequence[DiffLine] | Rejection:
    """Return the lines that a quotation has, or why it does not hold here."""
    content = "\n".join(one.text[mark:] for one in hunk).encode("utf-8", "surrogatepass")
    found = find_quote(quote, content, is_code=True, least=1)
    if isinstance(found, Rejection):
        return found
    first, last = lines_of(content, found)
    return hunk[first - 1 : last]


def _is_ambiguous(found: Sequence[DiffLine] | Rejection) -> bool:
    return isinstance(found, Rejection) and found.reason is Reason.AMBIGUOUS


def _sections(diff: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the path and the lines of each file."""
    lines: list[str] = []
    for line in [*diff.split("\n"), _FILE]:
        if line.startswith(_FILE):
            if lines and lines[0].startswith(_FILE):
                yield _path(lines), lines
            lines = []
        lines.append(line)


def _path(lines: Sequence[str]) -> str:
    """Return the file's path: the new one, the old one of a file that is deleted."""
    for wanted in ("+++ ", "--- "):
        for line in lines:
            if line.startswith("@@"):
                break
            name = line.removeprefix(wanted).split("\t")[0]
            if line.startswith(wanted) and name != _NO_FILE:
                return name.strip('"').partition("/")[2]
    return lines[0].rpartition(" b/")[2].strip('"')


def _hunks(lines: Sequence[str]) -> Iterator[tuple[DiffLine, ...]]:
    found: list[DiffLine] = []
    before = after = -1
    for text in lines:
        if (head := _HUNK.match(text)) is not None:
            if found:
                yield tuple(found)
            found, before, after = [], int(head[1]), int(head[2])
        elif before >= 0 and text[:1] in ("+", "-", " "):
            there, stays = text[0] != "+", text[0] != "-"
            found.append(DiffLine(text, before if there else None, after if stays else None))
            before, after = before + there, after + stays
    if found:
        yield tuple(found)


def touches(diff: str, path: str, lines: Sequence[DiffLine]) -> bool:
    """Return whether ``diff``, made after a change, touches ``lines`` of that change of ``path``:
    takes away one that it left, or puts back one that it removed.
    """
    stood = {one.after for one in lines if one.after is not None}
    removed = {one.text[1:] for one in lines if one.after is None}
    for file in files_of(diff):
        for one in (each for hunk in file.hunks for each in hunk if file.path == path):
            if one.after is None and one.before in stood:
                return True
            if one.before is None and one.text[1:] in removed:
                return True
    return False
