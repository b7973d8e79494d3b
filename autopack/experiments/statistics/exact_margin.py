"""Exact bounds of paired success against a margin, where asymptotic limits are too sure.

Tango's limit is asymptotic: with few pairs, or pairs that nearly all disagree, it is wrong more
often than it says. Here every table of ``n`` pairs is enumerated under the hypothesis that the
rates differ by the bound, for every share of discordant pairs that the data leave possible
(Berger and Boos 1994), ordered by Tango's score. R's ``Exact::paired.exact.test`` does the same.
"""

# numpy leaves the types of mixed integer and float arrays partially unknown.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from autopack.experiments.shapes.analysis_protocol import STRICT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

# With more single outcomes than this the asymptotic limits hold to a tenth of a percent.
MOST_ENUMERATED = 200
# The share of discordant pairs is bounded with this error, which is added to p.
NUISANCE_ERROR = 0.001
_GRID = 64
_EDGE = 1e-12
_DIGITS = 9


def is_exact(n: int, side: float) -> bool:
    """Return whether a statement that may be wrong in ``side`` is checked exactly.

    Not where a weaker convention was declared, whose limits are approximate by custom.
    """
    return 0 < n <= MOST_ENUMERATED and side <= STRICT


def score(n: Floats | float, lost: Floats, won: Floats, difference: float) -> Floats:
    """Tango's score statistic of the hypothesis that the rates differ by ``difference``."""
    spread = difference * (1 - difference)
    linear = (2 * n - won + lost) * difference - won - lost
    root = np.sqrt(np.maximum(linear**2 + 8 * n * lost * spread, 0.0))
    variance = n * (2 * (root - linear) / (4 * n) + spread)
    return (won - lost - n * difference) / np.sqrt(np.maximum(variance, _EDGE))


def p_above(n: int, lost: Integers, won: Integers, bound: float) -> Floats:
    """The exact p of "treatment minus control is at most ``bound``", for pairs that say more.

    ``lost`` counts pairs of ``n`` in which control alone succeeded, ``won`` treatment alone. At
    most `MOST_ENUMERATED` pairs.
    """
    return _table(n, round(bound, 12))[lost, won]


def p_below(n: int, lost: Integers, won: Integers, bound: float) -> Floats:
    """The exact p of "treatment minus control is at least ``bound``": the mirror image."""
    return p_above(n, won, lost, -bound)


@lru_cache(maxsize=256)
def alike_needed(margin: float, side: float) -> int:
    """Return how many outcomes that are all alike show a loss of less than ``margin``.

    Tango's limit of the difference is then -z² / (n + z²); few outcomes are counted exactly, too.
    """
    n = math.floor(float(special.ndtri(1 - side)) ** 2 * (1 / margin - 1)) + 1
    none = np.array([0])
    while is_exact(n, side) and p_above(n, none, none, -margin)[0] > side:
        n += 1
    return n


@lru_cache(maxsize=1024)
def _table(n: int, bound: float) -> Floats:
    """p of every table, by lost and won."""
    lost, won = np.indices((n + 1, n + 1)).reshape(2, -1)
    possible = lost + won <= n
    lost, won = lost[possible], won[possible]
    z = np.round(score(float(n), lost.astype(float), won.astype(float), bound), _DIGITS)
    order = np.argsort(-z, kind="stable")
    lost, won, z = lost[order], won[order], z[order]
    # One row a table, from the one that says most; tables of the same score count together.
    reached = np.cumsum(_chances(n, lost, won, bound), axis=0)
    tails = reached[np.searchsorted(-z, -z, side="right") - 1]
    shares = _shares(bound)
    step = float(np.diff(shares).max())
    low, high = _discordance(n, lost + won)
    # One step to either side, so that the worst share is not missed between two of the grid.
    left_out = (shares < low[:, None] - step) | (shares > high[:, None] + step)
    # Fewer discordant pairs than the bound itself needs: the least share that it allows.
    left_out[:, 0] &= ~left_out.all(axis=1)
    tails[left_out] = 0.0
    found = np.ones((n + 1, n + 1))
    found[lost, won] = np.minimum(tails.max(axis=1) + NUISANCE_ERROR, 1.0)
    return found


def _discordance(n: int, discordant: Integers) -> tuple[Floats, Floats]:
    """Clopper and Pearson's limits of the share of discordant pairs."""
    count = np.arange(n + 1)
    tail = NUISANCE_ERROR / 2
    low = np.where(count == 0, 0.0, special.betaincinv(np.maximum(count, 1), n - count + 1, tail))
    high = np.where(
        count == n, 1.0, special.betaincinv(count + 1, np.maximum(n - count, 1), 1 - tail)
    )
    return low[discordant], high[discordant]


def _shares(bound: float) -> Floats:
    """Shares of discordant pairs, denser where there are few."""
    least = abs(bound)
    return least + (1 - least) * np.linspace(0.0, 1.0, _GRID) ** 2


def _chances(n: int, lost: Integers, won: Integers, bound: float) -> Floats:
    """Return how likely each table is, by share of discordant pairs; one row a table."""
    share = _shares(bound)
    one, other = (share - bound) / 2, (share + bound) / 2
    logs = np.log(np.maximum(np.stack([one, other, 1 - share]), 1e-300))
    counts = np.stack([lost, won, n - lost - won], axis=1)
    factorial = special.gammaln(np.arange(n + 1) + 1.0)
    ways = factorial[n] - factorial[counts].sum(axis=1)
    return np.exp(counts.astype(np.float64) @ logs + ways[:, None])
