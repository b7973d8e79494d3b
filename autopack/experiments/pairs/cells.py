"""The cells of a table of pairs: text as people and spreadsheets write it, made into values."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import NoReturn

import numpy as np

# Totals of any table stay exact to the token, and every ratio stays a finite float.
LARGEST = 1e15
SMALLEST_TOKENS = 1e-6

ARM_ORDERS = ("control", "treatment", "together", "")
# What a void cell says when no reason was given for a pair that does not count.
NO_REASON = "no reason given"

_TRUE = frozenset({"true", "1", "1.0", "yes", "y", "t", "on"})
_FALSE = frozenset({"false", "0", "0.0", "no", "n", "f", "off"})
_NOTHING = frozenset({"", "-", "na", "n/a", "nan", "none", "null"})
_GROUPED = re.compile(r"\d{1,3}(?:[.,' \u00a0\u202f]\d{3})+")

Parse = Callable[[str], object]


def name(text: str) -> str:
    """Return a name, which must not be empty; other code points for the same text are the same."""
    return unicodedata.normalize("NFC", text) or wrong(text, "")


def void(text: str) -> str:
    """Return why a pair does not count; empty for one that does, also where a cell says false, 0 or
    no.
    """
    word = text.lower()
    if word in _FALSE or word in _NOTHING:
        return ""
    return NO_REASON if word in _TRUE else text


def truth(text: str) -> bool:
    """Return a yes or a no."""
    word = text.lower()
    if word in _TRUE:
        return True
    zero = word in _FALSE or _is(0.0, text)
    return not zero and (_is(1.0, text) or wrong(text, "is neither true nor false"))


def order(text: str) -> str:
    """Return which arm ran first."""
    word = text.lower()
    return word if word in ARM_ORDERS else wrong(text, "is not control, treatment or together")


def number(text: str) -> float:
    """Return a number from 0 on."""
    try:
        # Python reads 1_000 as a number, spreadsheets do not: refuse what may be a slip.
        value = float("_" if "_" in text else text)
    except ValueError:
        what = "is not a number"
        if _GROUPED.fullmatch(text):
            what += f": write {re.sub(r'[^0-9]', '', text)}, without separators"
        wrong(text, what)
    if not np.isfinite(value):
        wrong(text, "is not a finite number")
    if value < 0:
        wrong(text, "is negative")
    return value if value <= LARGEST else wrong(text, f"is over {LARGEST:.0e}")


def tokens(text: str) -> float:
    """Return a number of tokens, which must have a ratio to another."""
    value = number(text)
    if value == 0:
        wrong(text, "tokens have no ratio")
    return value if value >= SMALLEST_TOKENS else wrong(text, f"is under {SMALLEST_TOKENS:.0e}")


def fraction(text: str) -> float:
    """Return a share, 0 to 1."""
    value = number(text)
    return value if value <= 1 else wrong(text, "is over 1")


def metric(text: str) -> float:
    """Return a number from 0 on; NaN where the cell is empty, or says so as programs do."""
    return float("nan") if text.lower() in _NOTHING else number(text)


def is_unsaid(text: str) -> bool:
    """Return whether a cell of a void pair says nothing: empty, NA and the like, or zero."""
    return text.lower() in _NOTHING or _is(0.0, text)


def _is(value: float, text: str) -> bool:
    try:
        return "_" not in text and float(text) == value
    except ValueError:
        return False


def wrong(text: str, what: str) -> NoReturn:
    """Raise ValueError saying what is wrong with a cell."""
    shown = text if len(text) <= 40 else f"{text[:39]}…"
    raise ValueError(f"{shown!r} {what}" if text else "the cell is empty")


class Points:
    """Whether the points in a column of whole numbers are decimal points, as far as it shows.

    ``1.000`` is one thousand in half of the world and one in the other. A column shows which by
    any number that cannot be grouped in threes; where none does, nobody can tell.
    """

    _THREES = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")

    def __init__(self) -> None:
        self.unclear: tuple[int, str] | None = None
        self.decimal = False
        self.fraction: tuple[int, str] | None = None
        self.fractions = 0

    def look(self, row: int, text: str) -> None:
        """Take in a cell that has a point and is a number; ``row`` counts from the first."""
        if self._THREES.fullmatch(text):
            self.unclear = self.unclear or (row, text)
        else:
            self.decimal = True
        if float(text) % 1:
            self.fraction = self.fraction or (row, text)
            self.fractions += 1
