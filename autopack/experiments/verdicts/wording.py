"""How numbers of an analysis are put into words, the same everywhere."""

from __future__ import annotations

from autopack.experiments.statistics.log_ratio import Interval


def count(number: int, noun: str) -> str:
    """``1 pair``, ``2 pairs``, ``1,000 pairs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def p_value(p: float | None) -> str:
    """Return a p value to four places, never as zero."""
    if p is None:
        return "unknown"
    return "below 0.0001" if p < 0.0001 else f"{p:.4f}"


def percent(share: float) -> str:
    """``95%``, ``97.5%``."""
    return f"{100 * share:.4g}%"


def ratio_range(interval: Interval) -> str:
    """``0.553 to 0.697``, or ``still open``."""
    if interval.lo is None or interval.hi is None:
        return "still open"
    return f"{interval.lo:.3f} to {interval.hi:.3f}"


def points(share: float) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    return f"{100 * share:+.1f}"
