"""Log axes with ticks that people read: few, round and never on top of each other."""

# matplotlib leaves the keyword arguments of its methods untyped.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axis import XAxis, YAxis

MOST_TICKS = 8
_STEPS = ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))


def log_ticks(lo: float, hi: float, *, whole: bool = False) -> list[float]:
    """Round values from ``lo`` to ``hi``, the finest set that is not crowded.

    Where the range is too narrow for any, equal round steps.
    """
    first, last = math.floor(math.log10(lo)), math.ceil(math.log10(hi))
    for steps in _STEPS:
        values = [step * 10**power for power in range(first, last + 1) for step in steps]
        inside = [
            round(value, 12) for value in values if lo <= value <= hi and not (whole and value % 1)
        ]
        if len(inside) <= MOST_TICKS:
            return inside if whole or len(inside) >= 3 else _even_ticks(lo, hi)
    decades = range(first, last + 1, math.ceil((last - first) / MOST_TICKS))
    return [10.0**power for power in decades if lo <= 10.0**power <= hi]


def _even_ticks(lo: float, hi: float) -> list[float]:
    rough = (hi - lo) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough)
    first = math.ceil(lo / step)
    return [round(step * n, 12) for n in range(first, math.floor(hi / step) + 1)]


def short_number(value: float) -> str:
    """``0.75``, ``120``, ``1.5k``, ``20M``."""
    for unit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        # As it will be shown: 999.9 is 1k, not 1e+03.
        if float(f"{value:.3g}") >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


def log_axis(axis: XAxis | YAxis, lo: float, hi: float, *, whole: bool = False) -> None:
    """Make ``axis`` logarithmic over ``lo`` to ``hi`` and a little more, with labelled ticks."""
    from matplotlib.ticker import NullLocator

    room = max((hi / lo) ** 0.04, 1.005)
    lo, hi = lo / room, hi * room
    axes = axis.axes
    name = "x" if axis.axis_name == "x" else "y"
    if name == "x":
        axes.set_xlim(lo, hi)  # before the scale, which warns of the limits of no data
        axes.set_xscale("log")
    else:
        axes.set_ylim(lo, hi)
        axes.set_yscale("log")
    ticks = log_ticks(lo, hi, whole=whole)
    axis.set_ticks(ticks, [short_number(tick) for tick in ticks])
    axis.set_minor_locator(NullLocator())
    axes.grid(visible=True, axis=name, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
