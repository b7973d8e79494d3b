"""Reads earlier control runs from a CSV file: one run a row, its plan and what it used."""

from __future__ import annotations

import csv
import math
import unicodedata
from collections import defaultdict
from pathlib import Path

from autopack.experiments.pairs.resource import Primary
from autopack.model.errors import BadInput, NotFound

_FIELD = "earlier_controls"


def read_earlier(path: Path, primary: Primary = "tokens") -> dict[str, list[float]]:
    """Return what earlier control runs used, by plan. Raises BadInput naming the line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise NotFound(f"no file {path}", field=_FIELD) from None
    except (UnicodeDecodeError, OSError) as error:
        raise BadInput(f"{path.name} cannot be read: {error}", field=_FIELD) from None
    reader = csv.DictReader(lines)
    try:
        header = [name.strip().lower() for name in reader.fieldnames or ()]
        reader.fieldnames = header
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise BadInput(
            f"{path.name}, line {reader.line_num + 1}: {error}",
            field=_FIELD,
            hint=f"its header is plan,{primary}, one run a row",
        ) from None
    for column in ("plan", primary):
        if column not in header:
            raise BadInput(
                f"{path.name}: column {column} is missing",
                field=_FIELD,
                hint=f"its header is plan,{primary}, one run a row",
            )
    found: defaultdict[str, list[float]] = defaultdict(list)
    for line, row in rows:
        where = f"{path.name}, line {line}"
        plan = unicodedata.normalize("NFC", (row["plan"] or "").strip())
        if not plan:
            raise BadInput(f"{where}, plan: the cell is empty", field=_FIELD)
        text = (row[primary] or "").strip()
        try:
            amount = float("_" if "_" in text else text)
        except ValueError:
            amount = math.nan
        if not 0 < amount < 1e15:
            raise BadInput(f"{where}, {primary}: {text!r} is not a positive number", field=_FIELD)
        found[plan].append(amount)
    return dict(found)
