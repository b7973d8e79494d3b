"""Reading a table of pairs from a CSV file, with errors that name the line and the column."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from autopack.errors import BadInput, NotFound
from autopack.experiments.pairs import REQUIRED, PairTable

_ENCODING_HINT = "save it as comma-separated UTF-8 text"


def read_pairs(path: Path) -> PairTable:
    """Read the pairs in ``path``: UTF-8, comma-separated, a header, one pair a row.

    Raises NotFound when there is no such file and BadInput, with the line, for everything
    that cannot be analysed.
    """
    header, rows, places = _read_rows(_read_text(path), path.name)
    columns = {name: [row[index] for row in rows] for index, name in enumerate(header)}
    return PairTable.from_text(columns, places=places, source=path.name)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFound(f"no file {path}", field="csv") from None
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{path.name} is not UTF-8 text (byte {error.start})", field="csv", hint=_ENCODING_HINT
        ) from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", field="csv") from error


def _read_rows(text: str, source: str) -> tuple[list[str], list[list[str]], list[str]]:
    """The header, the rows that are not blank, and the line at which each of them ends."""
    reader = csv.reader(io.StringIO(text), strict=True)
    header: list[str] = []
    rows: list[list[str]] = []
    places: list[str] = []
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if not header:
                header = _check_header([cell.strip() for cell in row], source)
            elif len(row) != len(header):
                raise BadInput(
                    f"{source}, line {reader.line_num}: "
                    f"{len(row)} cells under a header of {len(header)}",
                    hint="quote cells that hold a comma, and fill missing ones with nothing",
                )
            else:
                rows.append(row)
                places.append(f"line {reader.line_num}")
    except csv.Error as error:
        raise BadInput(
            f"{source}, line {reader.line_num}: {error}", field="csv", hint=_ENCODING_HINT
        ) from None
    if not header:
        raise BadInput(
            f"{source} is empty", field="csv", hint=f"its first line is {','.join(REQUIRED)}"
        )
    return header, rows, places


def _check_header(header: list[str], source: str) -> list[str]:
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        raise BadInput(
            f"{source} is not separated by commas", field="csv", hint="separate its cells by commas"
        )
    twice = [name for name in header if name and header.count(name) > 1]
    if twice:
        raise BadInput(f"{source}: column {twice[0]} is there twice", field=twice[0])
    return header
