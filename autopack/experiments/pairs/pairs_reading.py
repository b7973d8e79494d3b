"""Reading a table of pairs, block by block: rows of text in, a checked table out.

A block is converted as a whole where nothing is wrong with it, which a million pairs need; else
its cells are looked at one by one, so that an error names the first that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np

from autopack.experiments.pairs import cells
from autopack.experiments.pairs.cells import (
    LARGEST,
    SMALLEST_TOKENS,
    Parse,
    Points,
)
from autopack.experiments.pairs.pair_table import (
    ARMS,
    FRACTIONS,
    OPTIONAL_TEXT,
    PHASE_COUNTS,
    REQUIRED,
    PairTable,
)
from autopack.model.errors import BadInput

KNOWN = (*REQUIRED, *FRACTIONS, *PHASE_COUNTS, *OPTIONAL_TEXT)
_ALIKE = 0.7


@dataclass
class _Column:
    """One column of the table: where it stands in a row, how it is read, and what was read.

    ``or_void`` is what a void pair has whose cell says nothing.
    """

    name: str
    index: int
    parse: Parse
    or_void: object = None
    blocks: list[Any] = field(default_factory=list[Any])
    points: Points = field(default_factory=Points)

    @property
    def is_tokens(self) -> bool:
        return self.parse is cells.tokens


class TableReader:
    """Takes the rows of one source in order; ``place`` says where row n (from 0) stands in it.

    Raises BadInput for a header that lacks a column.
    """

    def __init__(self, header: Sequence[str], source: str, *, place: Callable[[int], str]) -> None:
        self._source, self._place, self._rows = source, place, 0
        self._metrics, self._ignored, self._notes = _sort_columns(header, source)
        # Spaces around names and their case mean nothing.
        found = {cleaned(name): index for index, name in enumerate(header)}
        self._given_fractions = set(FRACTIONS) <= found.keys()
        parsers: dict[str, tuple[Parse, object]] = {
            "void": (cells.void, None),
            "pair": (cells.name, None),
            "plan": (cells.name, None),
            **{f"{arm}_tokens": (cells.tokens, np.nan) for arm in ARMS},
            **{f"{arm}_success": (cells.truth, False) for arm in ARMS},
            **dict.fromkeys(FRACTIONS, (cells.fraction, np.nan)),
            **dict.fromkeys(PHASE_COUNTS, (cells.number, 0.0)),
            "first": (cells.order, None),
            **{f"{arm}_{metric}": (cells.metric, None) for metric in self._metrics for arm in ARMS},
        }
        self._columns = [
            _Column(name, found[name], parse, or_void)
            for name, (parse, or_void) in parsers.items()
            if name in found
        ]
        self._plans: dict[str, str] = {}

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """Take further rows, each as long as the header. Raises BadInput naming a wrong cell."""
        if not rows:
            return
        void: Sequence[str] = ()
        for column in self._columns:
            texts = [row[column.index].strip() for row in rows]
            values = (
                _whole(column, texts) if not (any(void) and column.or_void is not None) else None
            )
            if values is None:
                values = self._one_by_one(column, texts, void)
            if column.name == "void":
                void = values
            elif column.name == "plan":  # a few names, many times
                values = [self._plans.setdefault(name, name) for name in values]
            if column.is_tokens:
                self._look_at_points(column, texts, void)
            column.blocks.append(values)
        self._rows += len(rows)

    def table(self) -> PairTable:
        """Return the table of all rows. Raises BadInput for none, for a name that is there twice,
        and for numbers of tokens that can be read in two ways."""
        import pandas as pd

        if not self._rows:
            raise BadInput(
                f"{self._source} has no pairs", hint="give it one row a pair below the header"
            )
        read = {column.name: _joined(column) for column in self._columns}
        self._refuse_duplicates(read["pair"])
        notes = [*self._notes, *(note for one in self._columns for note in self._about_points(one))]
        empty = [""] * self._rows
        data: dict[str, Any] = {"pair": read["pair"], "plan": read["plan"]}
        for arm in ARMS:
            data[f"{arm}_tokens"] = read[f"{arm}_tokens"]
            data[f"{arm}_success"] = read[f"{arm}_success"]
        for arm in ARMS:
            name = f"{arm}_phase_fraction"
            data[name] = (
                read[name] if self._given_fractions else data[f"{arm}_success"].astype(np.float64)
            )
        data |= {name: read[name] for name in PHASE_COUNTS if name in read}
        data["void"] = read.get("void", empty)
        data["first"] = read.get("first", empty)
        data |= {
            name: read[name]
            for name in (f"{arm}_{metric}" for metric in self._metrics for arm in ARMS)
        }
        return PairTable(
            pd.DataFrame(data), self._metrics, self._given_fractions, self._ignored, tuple(notes)
        )

    def _one_by_one(self, column: _Column, texts: Sequence[str], void: Sequence[str]) -> list[Any]:
        read: list[Any] = []
        for row, text in enumerate(texts):
            is_void = bool(void) and void[row] != ""
            if is_void and column.or_void is not None and cells.is_unsaid(text):
                read.append(column.or_void)
                continue
            try:
                read.append(column.parse(text))
            except ValueError as error:
                place = self._place(self._rows + row)
                raise BadInput(
                    f"{self._source}, {place}, {column.name}: {error}",
                    field=column.name,
                    hint=f"correct {column.name} there, or give the pair a reason in the column "
                    "void",
                ) from None
        return read

    def _look_at_points(self, column: _Column, texts: Sequence[str], void: Sequence[str]) -> None:
        if "." not in "".join(texts):
            return
        for row, text in enumerate(texts):
            if "." in text and not (void and void[row]):
                column.points.look(self._rows + row, text)

    def _about_points(self, column: _Column) -> list[str]:
        points = column.points
        if points.unclear is not None and not points.decimal:
            row, text = points.unclear
            whole, grouped = f"{float(text.partition('.')[0]):.0f}", text.replace(".", "")
            if text.count(".") == 1:
                raise BadInput(
                    f"{self._source}, {self._place(row)}, {column.name}: {text!r} may mean "
                    f"{whole} or {grouped}",
                    field=column.name,
                    hint="write tokens as whole numbers, without points between thousands",
                )
        if points.fraction is None:
            return []
        row, text = points.fraction
        return [
            f"{column.name} has {points.fractions:,} "
            f"{'fraction' if points.fractions == 1 else 'fractions'}, the first at "
            f"{self._place(row)} ({text}): tokens are whole numbers, so the ratios are those of "
            "another unit"
        ]

    def _refuse_duplicates(self, pairs: Sequence[str]) -> None:
        if len(set(pairs)) == len(pairs):
            return
        seen: dict[str, int] = {}
        for row, name in enumerate(pairs):
            if name in seen:
                raise BadInput(
                    f"{self._source}, {self._place(row)}, pair: {name!r} is already at "
                    f"{self._place(seen[name])}",
                    field="pair",
                    hint="give every pair its own name; replicates share the plan, not the pair",
                )
            seen[name] = row


def cleaned(name: str) -> str:
    """Return the name of a column without what means nothing: its case, and blanks around it."""
    return name.strip().lower()


def check_metrics(table: PairTable, declared: Sequence[str] | None) -> None:
    """Raise BadInput for a declared metric that the table does not have."""
    for name in declared or ():
        if name not in table.metrics:
            known = ", ".join(table.metrics) or "none"
            raise BadInput(
                f"the pairs have no metric {name!r}{_did_you_mean(name, table.metrics)}",
                field="metric",
                hint=f"they have {known}; a metric is the columns control_NAME and treatment_NAME",
            )


def _whole(column: _Column, texts: list[str]) -> Any | None:
    """Return a block converted at once; None where a cell needs to be looked at."""
    parse = column.parse
    if parse is cells.name:
        return texts if all(texts) and "".join(texts).isascii() else None
    if parse in (cells.void, cells.order):
        return None if any(texts) else texts
    if parse is cells.truth:
        return _truths(texts)
    if parse is cells.metric:
        return _numbers(texts, missing=True)
    least = SMALLEST_TOKENS if parse is cells.tokens else 0.0
    return _numbers(texts, least=least, most=1.0 if parse is cells.fraction else LARGEST)


_TRUTHS = {"1": True, "0": False, "true": True, "false": False, "True": True, "False": False}


def _truths(texts: list[str]) -> Any | None:
    try:
        return np.array([_TRUTHS[text] for text in texts], dtype=np.bool_)
    except KeyError:
        return None


def _numbers(
    texts: list[str], *, least: float = 0.0, most: float = LARGEST, missing: bool = False
) -> Any | None:
    if "_" in "".join(texts):
        return None
    try:
        read = [float(text or "nan") for text in texts] if missing else list(map(float, texts))
    except ValueError:
        return None
    values = np.array(read)
    inside = (values >= least) & (values <= most)
    if missing:
        inside |= np.array([text == "" for text in texts])
    return values if inside.all() else None


def _joined(column: _Column) -> Any:
    """Return all blocks of a column: an array of numbers or truths, else a list of text."""
    first = column.blocks[0]
    if column.parse in (cells.name, cells.void, cells.order):
        return [value for block in column.blocks for value in block]
    kind = np.bool_ if column.parse is cells.truth else np.float64
    if len(column.blocks) == 1:
        return np.asarray(first, dtype=kind)
    return np.concatenate([np.asarray(block, dtype=kind) for block in column.blocks])


def _sort_columns(
    header: Sequence[str], source: str
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the metrics of the table, its meaningless columns, and notes; raises when one is
    missing.
    """
    names = [cleaned(name) for name in header]
    extra = [name for name in names if name not in KNOWN]
    metrics = dict.fromkeys(
        name.removeprefix(f"{arm}_") for name in extra for arm in ARMS if name.startswith(f"{arm}_")
    )
    metrics.pop("", None)
    needed = [*REQUIRED, *(f"{arm}_{metric}" for metric in metrics for arm in ARMS)]
    for together in (FRACTIONS, PHASE_COUNTS):
        if any(name in names for name in together):
            needed += together
    missing = [name for name in needed if name not in names]
    if missing:
        raise BadInput(
            f"{source}: column {missing[0]} is missing{_did_you_mean(missing[0], extra)}",
            field=missing[0],
            hint=f"the header needs {', '.join(needed)}",
        )
    named = {f"{arm}_{metric}" for metric in metrics for arm in ARMS}
    ignored = tuple(name for name in extra if name and name not in named)
    absent = [name for name in KNOWN if name not in names]
    notes = [
        f"column {name} was ignored{close}"
        for name in ignored
        if (close := _did_you_mean(name, absent))
    ]
    notes += [
        f"column {name} was read as a metric{close}"
        for name in sorted(named)
        if (close := _did_you_mean(name, absent))
    ]
    return tuple(metrics), ignored, tuple(notes)


def _did_you_mean(name: str, among: Sequence[str]) -> str:
    close = get_close_matches(name, among, n=1, cutoff=_ALIKE)
    return f"; did you mean {close[0]}?" if close else ""


def table_of(records: Sequence[Mapping[str, object]]) -> PairTable:
    """Build a table from rows such as finished runs give; None is a missing value.

    Raises BadInput naming the pair and the column, by the same rules as a file.
    """
    names = list(dict.fromkeys(name for record in records for name in record)) or REQUIRED
    reader = TableReader(names, "pairs", place=lambda row: f"pair {records[row].get('pair')!r}")
    reader.add([[_as_text(record.get(name)) for name in names] for record in records])
    return reader.table()


def _as_text(value: object) -> str:
    return "" if value is None or value != value else str(value)
