"""Reading a table of pairs from a CSV file, with errors that name the line and the column."""

from __future__ import annotations

import csv
import io
import sys
from array import array
from collections.abc import Callable
from pathlib import Path

from autopack.experiments.pairs.pair_table import REQUIRED, PairTable
from autopack.experiments.pairs.pairs_reading import KNOWN, TableReader, cleaned
from autopack.model.errors import BadInput, NotFound

STDIN = Path("-")

_ENCODING_HINT = "save it as comma-separated UTF-8 text"
_HEADER_HINT = f"its first line is {','.join(REQUIRED)}"
_BLOCK = 20_000
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "pipes"}


def read_pairs(path: Path, *, progress: Callable[[int], None] | None = None) -> PairTable:
    """Read the pairs in ``path``: UTF-8, comma-separated, a header, one pair a row.

    ``-`` is the standard input. ``progress`` hears now and then how many pairs were read.
    Raises NotFound when there is no such file and BadInput, with the line, for everything
    that cannot be analysed.
    """
    source = "standard input" if path == STDIN else path.name
    lines = array("q")
    reader: TableReader | None = None
    rows: list[list[str]] = []
    header: list[str] = []
    text = _read_text(path)
    # Ends of lines as any system writes them.
    parser = csv.reader(io.StringIO(text, newline=None), strict=True)
    try:
        for row in parser:
            if not any(cell.strip() for cell in row):
                continue
            if reader is None:
                header = _check_header(row, source, parser.line_num)
                reader = TableReader(header, source, place=lambda row: f"line {lines[row]}")
                continue
            if len(row) != len(header) or (row[0][:1] == "#" and not any(row[1:])):
                raise _wrong_length(row, header, source, parser.line_num)
            rows.append(row)
            lines.append(parser.line_num)
            if len(rows) == _BLOCK:
                reader.add(rows)
                rows = []
                if progress is not None:
                    progress(len(lines))
    except csv.Error as error:
        if reader is None:
            _check_first_line(text, source)
        raise BadInput(
            f"{source}, line {parser.line_num}: {error}", field="csv", hint=_ENCODING_HINT
        ) from None
    if reader is None:
        raise BadInput(f"{source} is empty", field="csv", hint=_HEADER_HINT)
    reader.add(rows)
    return reader.table()


def _read_text(path: Path) -> str:
    try:
        content = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise NotFound(f"no file {path}", field="csv") from None
    except UnicodeDecodeError as error:
        name = "standard input" if path == STDIN else path.name
        raise BadInput(
            f"{name} is not UTF-8 text (byte {error.start})", field="csv", hint=_ENCODING_HINT
        ) from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", field="csv") from error


def _check_header(row: list[str], source: str, line: int) -> list[str]:
    """Return the names of the columns. Raises BadInput saying what the first line is instead."""
    header = [cleaned(cell) for cell in row]
    first = header[0]
    _refuse_json(first, source)
    if first.startswith("sep="):
        raise _not_a_header(
            f"{source}, line {line}: {','.join(row).strip()!r} is a spreadsheet's note of what "
            "separates its cells",
            "remove that line; cells are separated by commas",
        )
    if first.startswith("#"):
        raise _comment(source, line)
    known = [name for name in header if name in KNOWN]
    for mark, name in _SEPARATORS.items():
        if mark in row[0] and not known:
            raise _not_a_header(
                f"{source} is not separated by commas: its line {line} has {name}",
                "separate its cells by commas",
            )
    if not known and any(_is_number(cell) for cell in header):
        raise _not_a_header(
            f"{source} has no header: its line {line} holds data", f"put one above: {_HEADER_HINT}"
        )
    twice = [name for name in header if name and header.count(name) > 1]
    if twice:
        raise BadInput(
            f"{source}: column {twice[0]} is there twice",
            field=twice[0],
            hint="capital letters make no difference",
        )
    return header


def _check_first_line(text: str, source: str) -> None:
    """Raise BadInput saying what the text is that cannot be read as a header."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    _refuse_json(first, source)
    for mark, name in _SEPARATORS.items():
        if mark in first and "," not in first:
            raise _not_a_header(
                f"{source} is not separated by commas: its first line has {name}",
                "separate its cells by commas",
            )


def _refuse_json(first: str, source: str) -> None:
    if first[:1] in ("{", "["):
        raise _not_a_header(f"{source} is JSON, not a table of pairs", _HEADER_HINT)


def _wrong_length(row: list[str], header: list[str], source: str, line: int) -> BadInput:
    if row[0].strip().startswith("#"):
        return _comment(source, line)
    return BadInput(
        f"{source}, line {line}: {len(row)} cells under a header of {len(header)}",
        hint="quote cells that hold a comma, and fill missing ones with nothing",
    )


def _comment(source: str, line: int) -> BadInput:
    return _not_a_header(
        f"{source}, line {line}: begins with #, and there are no comments in a table of pairs",
        "remove that line",
    )


def _not_a_header(message: str, hint: str) -> BadInput:
    return BadInput(message, field="csv", hint=hint)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
