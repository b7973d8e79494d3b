"""Whether runs that started from the same depend on each other: by time, or in clusters.

The verdict takes pairs to be independent, and which run of a pair is called control to be chance.
Swapping the arms of single pairs at random makes both true, whatever the runs are like. So here
whole blocks of neighbours are swapped together, older against newer run: where the newer run of
every pair is cheaper (something drifted), or neighbours differ alike (plans of one kind), such
experiments without an effect claim one far more often than they may. How often that is by mere
chance is known from the same runs with the order within each pair drawn anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autopack.experiments.planning.batch import Rows, decide_rows
from autopack.experiments.planning.batch_success import SuccessRows
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.shapes.matrix import ResourceAxis

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_BLOCKS = 7
_DRAWS, _EXPERIMENTS = 9_999, 20
# So seldom would independent runs look as dependent as these.
ALARM = 0.01


@dataclass(frozen=True)
class Dependence:
    """``claims`` is how often tokens are said to differ when blocks of pairs are swapped together.

    ``expected`` is how often that happens with the same runs once they are made independent, and
    ``p`` the chance that blocks of independent runs lean to one side as much as these.
    """

    blocks: int
    claims: float
    expected: float
    p: float

    @property
    def is_there(self) -> bool:
        """Whether independent runs would hardly look so."""
        return self.p <= ALARM


def dependence(tokens: Sequence[tuple[float, float]], *, seed: int) -> Dependence | None:
    """Look for dependence among pairs of runs, older and newer, in the order in which they ran.

    None with fewer pairs than make seven blocks of two.
    """
    if len(tokens) < 2 * _BLOCKS:
        return None
    d = np.diff(np.log(np.array(tokens, dtype=np.float64)), axis=1)[:, 0]
    random = np.random.Generator(np.random.PCG64(seed))
    block = np.arange(len(d)) * _BLOCKS // len(d)
    # All ways to swap seven blocks; those that mirror another say the same.
    bits = (np.arange(2 ** (_BLOCKS - 1))[:, None] >> np.arange(_BLOCKS)) & 1
    swaps: Floats = np.where(bits[:, block] == 1, 1.0, -1.0)
    drawn = random.integers(0, 2, size=(_DRAWS, len(d))) * 2.0 - 1
    members = (block[:, None] == np.arange(_BLOCKS)).astype(np.float64)
    lean = float(((d @ members) ** 2).sum())
    by_chance = (((drawn * d) @ members) ** 2).sum(axis=1)
    reached = int(np.count_nonzero(by_chance >= lean * (1 - 1e-9)))
    mixed = [_claims(d * signs * swaps) for signs in drawn[:_EXPERIMENTS]]
    return Dependence(
        blocks=_BLOCKS,
        claims=_claims(d * swaps),
        expected=float(np.mean(mixed)),
        p=(1 + reached) / (_DRAWS + 1),
    )


def _claims(d: Floats) -> float:
    """Return how many experiments, one a row, say that tokens differ, as a share."""
    alike = np.ones(d.shape, dtype=np.bool_)
    rows = Rows(np.ones(d.shape), np.exp(d), SuccessRows(alike, alike))
    found = decide_rows(rows, AnalysisProtocol())
    return sum(found.share_of_resource(axis) for axis in (ResourceAxis.FEWER, ResourceAxis.MORE))
