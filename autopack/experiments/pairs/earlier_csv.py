"""Reads earlier control runs from a CSV file: one run a row, its plan and what it used."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from autopack.experiments.pairs import cells
from autopack.experiments.pairs.resource import Primary
from autopack.model.errors import BadInput, NotFound

_FIELD = "earlier_controls"
_Cell = TypeVar("_Cell")


def read_earlier(path: Path, primary: Primary = "tokens") -> dict[str, list[float]]:
    """Return what earlier control runs used, by plan. Raises BadInput naming the line."""
    hint = f"its header is plan,{primary}, one run a row"
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise NotFound(f"no file {path}", field=_FIELD) from None
    except (UnicodeDecodeError, OSError) as error:
        raise BadInput(f"{path.name} cannot be read: {error}", field=_FIELD) from None
    # Ends of lines as any system writes them, and nothing else ends a line.
    parser = csv.reader(io.StringIO(text, newline=None), strict=True)
    try:
        rows = [(parser.line_num, [cell.strip() for cell in row]) for row in parser]
    except csv.Error as error:
        raise BadInput(
            f"{path.name}, line {parser.line_num}: {error}", field=_FIELD, hint=hint
        ) from None
    rows = [(line, row) for line, row in rows if any(row)]
    header = [name.lower() for name in rows[0][1]] if rows else []
    for column in ("plan", primary, *filter(None, header)):
        if header.count(column) != 1:
            why = "is there twice" if column in header else "is missing"
            raise BadInput(f"{path.name}: column {column} {why}", field=_FIELD, hint=hint)
    if not rows[1:]:
        raise BadInput(f"{path.name} holds no runs", field=_FIELD, hint=hint)
    found: defaultdict[str, list[float]] = defaultdict(list)
    points = cells.Points()
    for number, (line, row) in enumerate(rows[1:], 1):
        where = f"{path.name}, line {line}"
        if len(row) != len(header):
            raise BadInput(
                f"{where}: {len(row)} cells under a header of {len(header)}",
                field=_FIELD,
                hint="quote cells that hold a comma; write numbers without separators",
            )
        said = dict(zip(header, row, strict=True))
        plan = _read(cells.name, said["plan"], f"{where}, plan")
        parse = cells.tokens if primary == "tokens" else cells.number
        amount = _read(parse, said[primary], f"{where}, {primary}")
        if not amount:
            raise BadInput(f"{where}, {primary}: {said[primary]!r} is not positive", field=_FIELD)
        found[plan].append(amount)
        if "." in said[primary]:
            points.look(number, said[primary])
    if primary == "tokens" and points.unclear is not None and not points.decimal:
        number, cell = points.unclear
        raise BadInput(
            f"{path.name}, line {rows[number][0]}, tokens: {cell!r} may be a thousand or one",
            field=_FIELD,
            hint="write numbers without separators, and whole ones without a point",
        )
    return dict(found)


def _read(parse: Callable[[str], _Cell], text: str, where: str) -> _Cell:
    try:
        return parse(text)
    except ValueError as error:
        raise BadInput(f"{where}: {error}", field=_FIELD) from None
