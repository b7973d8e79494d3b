"""The table of A/B pairs: which columns it has, and the checks every cell must pass.

One row is one pair: the same plan run once as control and once as treatment, in the order in
which the pairs were finished (sequential monitoring replays that order).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from autopack.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

ARMS = ("control", "treatment")
REQUIRED = (
    "pair",
    "plan",
    "control_tokens",
    "treatment_tokens",
    "control_success",
    "treatment_success",
)
FRACTIONS = ("control_phase_fraction", "treatment_phase_fraction")
OPTIONAL_TEXT = ("void", "first")
# How many phases of a pair both arms completed, control only, treatment only, neither.
PHASE_COUNTS = ("phases_n11", "phases_n10", "phases_n01", "phases_n00")
ARM_ORDERS = ("control", "treatment", "together", "")

# Totals of any table stay exact to the token, and every ratio stays a finite float.
LARGEST = 1e15
SMALLEST_TOKENS = 1e-6

_TRUE = frozenset({"true", "1", "1.0", "yes", "y", "t"})
_FALSE = frozenset({"false", "0", "0.0", "no", "n", "f"})

Parse = Callable[[str], object]


@dataclass(frozen=True)
class PairTable:
    """Checked pairs, void ones included.

    ``frame`` has one row a pair and the columns

    ======================================  =====  =============================================
    pair                                    str    unique
    plan                                    str    pairs of one plan are replicates of it
    control_tokens, treatment_tokens        float  > 0; NaN only in a void pair
    control_success, treatment_success      bool   False where a void pair does not say
    control_phase_fraction, treatment_…     float  0 to 1; success where the source has none
    void                                    str    why the pair does not count, else ""
    first                                   str    control, treatment, together, else ""
    phases_n11, phases_n10, …               float  phases by outcome, all four or none of them
    control_<metric>, treatment_<metric>    float  >= 0, NaN where missing
    ======================================  =====  =============================================

    ``metrics`` names the secondary metrics in the order of the source's columns,
    ``has_phase_fractions`` says whether the fractions were given or success stands in, and
    ``ignored`` lists columns that mean nothing here.
    """

    frame: pd.DataFrame
    metrics: tuple[str, ...]
    has_phase_fractions: bool
    ignored: tuple[str, ...] = ()

    @cached_property
    def valid(self) -> pd.DataFrame:
        """The pairs that count, in order."""
        return self.frame[self.frame["void"] == ""].reset_index(drop=True)

    @cached_property
    def void(self) -> pd.DataFrame:
        """The pairs that do not count, with their reasons."""
        return self.frame[self.frame["void"] != ""].reset_index(drop=True)

    @property
    def has_phase_counts(self) -> bool:
        """Whether the outcomes of single phases are known."""
        return set(PHASE_COUNTS) <= set(self.frame.columns)

    def values(self, column: str) -> NDArray[np.float64]:
        """One numeric column of the pairs that count."""
        return self.valid[column].to_numpy(dtype=np.float64)

    @classmethod
    def from_records(cls, records: Sequence[Mapping[str, object]]) -> PairTable:
        """Build a table from rows such as finished runs give; None is a missing value.

        Raises BadInput naming the pair and the column, by the same rules as a file.
        """
        names = list(dict.fromkeys(name for record in records for name in record))
        columns = {name: [_as_text(record.get(name)) for record in records] for name in names}
        places = [f"pair {record.get('pair')!r}" for record in records]
        return cls.from_text(columns, places=places, source="pairs")

    @classmethod
    def from_text(
        cls, columns: Mapping[str, Sequence[str]], *, places: Sequence[str], source: str
    ) -> PairTable:
        """Check and convert text cells; ``places`` says where each row stands in ``source``.

        Raises BadInput for a missing column, an unusable cell, a duplicate pair or no rows.
        """
        import pandas as pd

        if not places:
            raise BadInput(f"{source} has no pairs", hint="give it one row a pair below the header")
        metrics, ignored = _sort_columns(columns, source)
        read = partial(_read_column, columns, places=places, source=source)
        void = read("void", str) if "void" in columns else [""] * len(places)
        is_void = [reason != "" for reason in void]
        data: dict[str, Sequence[object]] = {
            "pair": read("pair", _name),
            "plan": read("plan", _name),
        }
        _refuse_duplicates(columns["pair"], places, source)
        for arm in ARMS:
            data[f"{arm}_tokens"] = read(f"{arm}_tokens", _tokens, or_void=(is_void, np.nan))
            data[f"{arm}_success"] = read(f"{arm}_success", _truth, or_void=(is_void, False))
        given = set(FRACTIONS) <= set(columns)
        for arm in ARMS:
            data[f"{arm}_phase_fraction"] = (
                read(f"{arm}_phase_fraction", _fraction, or_void=(is_void, np.nan))
                if given
                else [float(bool(success)) for success in data[f"{arm}_success"]]
            )
        if any(name in columns for name in PHASE_COUNTS):
            for name in PHASE_COUNTS:
                data[name] = read(name, _number, or_void=(is_void, 0.0))
        data["void"] = void
        data["first"] = read("first", _order) if "first" in columns else [""] * len(places)
        for name in (f"{arm}_{metric}" for metric in metrics for arm in ARMS):
            data[name] = read(name, _metric)
        return cls(pd.DataFrame(data), metrics, given, ignored)


def _sort_columns(
    columns: Mapping[str, Sequence[str]], source: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The metrics of the table and its meaningless columns; raises when one is missing."""
    known = {*REQUIRED, *FRACTIONS, *PHASE_COUNTS, *OPTIONAL_TEXT}
    extra = [name for name in columns if name not in known]
    metrics = dict.fromkeys(
        name.removeprefix(f"{arm}_") for name in extra for arm in ARMS if name.startswith(f"{arm}_")
    )
    metrics.pop("", None)
    needed = [*REQUIRED, *(f"{arm}_{metric}" for metric in metrics for arm in ARMS)]
    for together in (FRACTIONS, PHASE_COUNTS):
        if any(name in columns for name in together):
            needed += together
    missing = [name for name in needed if name not in columns]
    if missing:
        raise BadInput(
            f"{source}: column {missing[0]} is missing",
            field=missing[0],
            hint=f"the header needs {', '.join(needed)}",
        )
    named = {f"{arm}_{metric}" for metric in metrics for arm in ARMS}
    return tuple(metrics), tuple(name for name in extra if name not in named)


def _read_column(
    columns: Mapping[str, Sequence[str]],
    name: str,
    parse: Parse,
    *,
    places: Sequence[str],
    source: str,
    or_void: tuple[Sequence[bool], object] | None = None,
) -> list[object]:
    """Every cell of a column; a void pair may leave empty (or zero) what ``or_void`` fills."""
    read: list[object] = []
    for row, cell in enumerate(columns[name]):
        text = cell.strip()
        if or_void is not None and or_void[0][row] and text in {"", "0"}:
            read.append(or_void[1])
            continue
        try:
            read.append(parse(text))
        except ValueError as error:
            raise BadInput(
                f"{source}, {places[row]}, {name}: {error}",
                field=name,
                hint=f"correct {name} there, or give the pair a reason in the column void",
            ) from None
    return read


def _refuse_duplicates(pairs: Sequence[str], places: Sequence[str], source: str) -> None:
    seen: dict[str, int] = {}
    for row, name in enumerate(pair.strip() for pair in pairs):
        if name in seen:
            raise BadInput(
                f"{source}, {places[row]}, pair: {name!r} is already at {places[seen[name]]}",
                field="pair",
                hint="give every pair its own name; replicates share the plan, not the pair",
            )
        seen[name] = row


def _as_text(value: object) -> str:
    return "" if value is None or value != value else str(value)


def _wrong(text: str, what: str) -> NoReturn:
    shown = text if len(text) <= 40 else f"{text[:39]}…"
    raise ValueError(f"{shown!r} {what}" if text else "the cell is empty")


def _name(text: str) -> str:
    return text or _wrong(text, "")


def _truth(text: str) -> bool:
    word = text.lower()
    return word in _TRUE or (word not in _FALSE and _wrong(text, "is neither true nor false"))


def _order(text: str) -> str:
    word = text.lower()
    return word if word in ARM_ORDERS else _wrong(text, "is not control, treatment or together")


def _number(text: str) -> float:
    try:
        # Python reads 1_000 as a number, spreadsheets do not: refuse what may be a slip.
        value = float("_" if "_" in text else text)
    except ValueError:
        _wrong(text, "is not a number")
    if not np.isfinite(value):
        _wrong(text, "is not a finite number")
    if value < 0:
        _wrong(text, "is negative")
    return value if value <= LARGEST else _wrong(text, f"is over {LARGEST:.0e}")


def _tokens(text: str) -> float:
    value = _number(text)
    if value == 0:
        _wrong(text, "tokens have no ratio")
    return value if value >= SMALLEST_TOKENS else _wrong(text, f"is under {SMALLEST_TOKENS:.0e}")


def _fraction(text: str) -> float:
    value = _number(text)
    return value if value <= 1 else _wrong(text, "is over 1")


def _metric(text: str) -> float:
    return _number(text) if text else float("nan")
