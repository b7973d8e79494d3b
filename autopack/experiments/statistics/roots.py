"""Where a monotone function crosses zero; importing scipy.optimize for it costs half a second."""

from __future__ import annotations

from collections.abc import Callable


def root(function: Callable[[float], float], lo: float, hi: float) -> float:
    """Return the zero of ``function`` between ``lo`` and ``hi``, by bisection to the last bit.

    Where its sign does not change, ``hi``.
    """
    if function(lo) > 0:
        lo, hi = hi, lo
    while True:
        middle = (lo + hi) / 2
        if middle in (lo, hi):
            return middle
        lo, hi = (middle, hi) if function(middle) <= 0 else (lo, middle)
