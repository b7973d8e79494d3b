"""What success shows in many simulated experiments at once; see ``success_axis`` for the rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from autopack.experiments.shapes.matrix import SuccessAxis
from autopack.experiments.statistics.exact_margin import is_exact, p_above, p_below, score
from autopack.experiments.statistics.losing import LOSS_LOOKS, log_capital
from autopack.experiments.statistics.sequential import MIN_PLANS
from autopack.experiments.statistics.token_evidence import ALPHA, MAX_FALSE, success_side

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Booleans = NDArray[np.bool_]
    PhaseRows = tuple[Integers, Integers, Integers, Integers]

SUCCESSES = tuple(SuccessAxis)


@dataclass(frozen=True)
class SuccessRows:
    """Success of runs; with ``phases`` also how many phases of a run completed, by pair.

    ``phases`` has one array each of: both arms, control only, treatment only, neither.
    """

    control: Booleans
    treatment: Booleans
    phases: PhaseRows | None = None


@dataclass(frozen=True)
class _Counts:
    """Differences over plans and counts of single outcomes, at the end of each experiment."""

    n: Floats
    mean: Floats
    sd: Floats
    single: Floats
    lost: Floats
    won: Floats
    any_success: Booleans

    def below(self, bound: float, tail: float) -> Booleans:
        """Return whether it is shown, wrong in ``tail`` at most, to be under ``bound``."""
        quantile = special.stdtrit(self.n - 1, 1 - tail)
        by_t = self.mean + quantile * self.sd / np.sqrt(self.n) < bound
        shown = by_t & (score(self.single, self.lost, self.won, bound) < -special.ndtri(1 - tail))
        return self._exactly(shown, p_below, bound, tail)

    def above(self, bound: float, tail: float) -> Booleans:
        """Return whether it is shown, wrong in ``tail`` at most, to be over ``bound``."""
        quantile = special.stdtrit(self.n - 1, 1 - tail)
        by_t = self.mean - quantile * self.sd / np.sqrt(self.n) > bound
        shown = by_t & (score(self.single, self.lost, self.won, bound) > special.ndtri(1 - tail))
        return self._exactly(shown, p_above, bound, tail)

    def _exactly(
        self,
        shown: Booleans,
        p: Callable[[int, Integers, Integers, float], Floats],
        bound: float,
        tail: float,
    ) -> Booleans:
        """Those of ``shown`` that the exact test shows, too, where it counts."""
        single = self.single.astype(np.int64)
        for n in np.unique(single[shown]).tolist():
            if is_exact(n, tail):
                rows = np.flatnonzero(shown & (single == n))
                lost, won = (one[rows].astype(np.int64) for one in (self.lost, self.won))
                shown[rows] = p(n, lost, won, bound) <= tail
        return shown


def losses(rows: SuccessRows, protocol: AnalysisProtocol) -> Booleans:
    """Of each pair: whether a look after it shows that success is lost."""
    runs = rows.treatment.astype(np.float64) - rows.control
    endpoints = [runs]
    if rows.phases is not None and protocol.success_endpoint != "runs":
        both, lost, won, neither = rows.phases
        endpoints.append((won - lost) / (both + lost + won + neither))
    bound = math.log(len(endpoints) / LOSS_LOOKS)
    shown = np.zeros(runs.shape, dtype=np.bool_)
    for x in endpoints:
        shown |= log_capital(x, protocol.ni_margin) >= bound
    shown[:, : MIN_PLANS - 1] = False
    return shown


def success_axes(
    rows: SuccessRows, stop: Integers, protocol: AnalysisProtocol, lost: Booleans | None = None
) -> tuple[Integers, Booleans]:
    """Return the axis of each experiment (index into SuccessAxis), and whether a gain is bounded.

    ``lost`` says where looks while pairs ran have shown that success is lost.
    """
    runs = _runs(rows, stop)
    main = runs
    if rows.phases is not None and protocol.success_endpoint != "runs":
        main = _phases(rows.phases, stop)
    margin, side, last = protocol.ni_margin, MAX_FALSE / 2, success_side(protocol)
    if main is runs:
        lower = runs.below(-margin, last)
    else:
        lower = main.below(-margin, last / 2) | runs.below(-margin, last / 2)
    if lost is not None:
        lower |= lost & ((runs.mean < 0) | (main.mean < 0))
    direction = _direction(runs)
    if main is not runs and protocol.success_endpoint == "phases":
        higher = main.above(0.0, side)
    else:
        higher = (direction > 0) & runs.above(0.0, side) & main.above(0.0, ALPHA)
    maintained = main.above(-margin, protocol.margin_alpha)
    axis = np.full(len(stop), SUCCESSES.index(SuccessAxis.UNCLEAR), dtype=np.int64)
    axis[maintained] = SUCCESSES.index(SuccessAxis.MAINTAINED)
    axis[higher] = SUCCESSES.index(SuccessAxis.HIGHER)
    nothing = ~main.any_success
    if protocol.success_endpoint is None:
        nothing |= ~runs.any_success
    axis[(direction < 0) | nothing] = SUCCESSES.index(SuccessAxis.UNCLEAR)
    axis[lower] = SUCCESSES.index(SuccessAxis.LOWER)
    return axis, main.below(margin, protocol.margin_alpha)


def _runs(rows: SuccessRows, stop: Integers) -> _Counts:
    x = rows.treatment.astype(np.float64) - rows.control
    won = _until(x > 0, stop)
    lost = _until(x < 0, stop)
    some = _until(rows.treatment | rows.control, stop) > 0
    mean, sd = _moments(x, stop)
    return _Counts(stop.astype(np.float64), mean, sd, stop.astype(np.float64), lost, won, some)


def _phases(phases: PhaseRows, stop: Integers) -> _Counts:
    both, lost, won, neither = phases
    total = both + lost + won + neither
    mean, sd = _moments((won - lost) / total, stop)
    single, gone, come = (_until(values, stop) for values in (total, lost, won))
    some = _until(both + lost + won, stop) > 0
    return _Counts(stop.astype(np.float64), mean, sd, single, gone, come, some)


def _until(values: NDArray[np.generic], stop: Integers) -> Floats:
    """The sum of each row up to its end."""
    sums = np.cumsum(values, axis=1, dtype=np.float64)
    return sums[np.arange(len(stop)), stop - 1]


def _moments(x: Floats, stop: Integers) -> tuple[Floats, Floats]:
    n = stop.astype(np.float64)
    mean = _until(x, stop) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (_until(x**2, stop) - n * mean**2) / (n - 1)
    return mean, np.sqrt(np.maximum(variance, 0.0))


def _direction(runs: _Counts) -> Integers:
    """1 where McNemar's mid-p shows that more runs succeed, -1 for fewer, else 0."""
    few, discordant = (
        count.astype(np.int64) for count in (np.minimum(runs.won, runs.lost), runs.won + runs.lost)
    )
    at_most = special.bdtr(few, discordant, 0.5)
    before = np.where(few > 0, special.bdtr(np.maximum(few - 1, 0), discordant, 0.5), 0.0)
    exactly = at_most - before
    mid_p = np.where(runs.won == runs.lost, 1 - exactly / 2, 2 * at_most - exactly)
    shown = (discordant > 0) & (mid_p < ALPHA)
    return np.where(shown, np.sign(runs.won - runs.lost), 0).astype(np.int64)
