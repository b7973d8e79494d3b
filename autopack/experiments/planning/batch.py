"""The rule applied to many simulated experiments at once: for planning, and to measure errors.

It decides as ``verdict.decide`` does (a test holds them together), but thousands of experiments a
second. One row is one experiment, one column one pair of a plan of its own, in their order.
"""

# numpy leaves the types of mixed integer and float arrays partially unknown.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from autopack.experiments.planning.batch_success import SuccessRows, losses, success_axes
from autopack.experiments.shapes.matrix import (
    Decision,
    ResourceAxis,
    SuccessAxis,
    cell,
)
from autopack.experiments.statistics.log_ratio import ROUNDING, SKEW_SHARE, skew_quantiles
from autopack.experiments.statistics.sequential import (
    MIN_PLANS,
    MONITORING_ALPHA,
    half_widths,
    log_e_values,
)
from autopack.experiments.statistics.token_evidence import MAX_FALSE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Booleans = NDArray[np.bool_]

RESOURCES, SUCCESSES, DECISIONS = tuple(ResourceAxis), tuple(SuccessAxis), tuple(Decision)
_LOG_TENTH = math.log(1.1)
# Random sign flips; the exact test takes all of them up to this many plans.
_FLIPS, _ALL_FLIPS = 4_095, 12
# From here on sign flips and t agree to three digits, and flipping would only cost time.
_FLIPS_UP_TO = 400
# So many times beyond the limit of t, flipping signs says the same.
_BEYOND_DOUBT = 1.5


@dataclass(frozen=True)
class Rows:
    """Simulated experiments. ``control`` and ``treatment`` are amounts, for the totals."""

    control: Floats
    treatment: Floats
    success: SuccessRows

    @property
    def d(self) -> Floats:
        """The log ratios."""
        return np.log(self.treatment / self.control)


@dataclass(frozen=True)
class Decided:
    """What came of each experiment: indices into RESOURCES, SUCCESSES, DECISIONS.

    ``pairs`` were run, ``lo`` and ``hi`` are the limits of the reported 95% interval of the mean
    log ratio.
    """

    resource: Integers
    success: Integers
    decision: Integers
    pairs: Integers
    lo: Floats
    hi: Floats

    def share(self, *decisions: Decision) -> float:
        """Return how often it was one of these decisions."""
        return float(np.isin(self.decision, [DECISIONS.index(one) for one in decisions]).mean())

    def share_of_resource(self, axis: ResourceAxis) -> float:
        """Return how often the resource axis said so."""
        return float((self.resource == RESOURCES.index(axis)).mean())

    def share_of_success(self, axis: SuccessAxis) -> float:
        """Return how often the success axis said so."""
        return float((self.success == SUCCESSES.index(axis)).mean())


def decide_rows(
    rows: Rows,
    protocol: AnalysisProtocol,
    *,
    seed: int = 0,
    d: Floats | None = None,
    looks_alpha: float = MONITORING_ALPHA,
) -> Decided:
    """Carry every experiment out: looks after each pair if monitored, else once at the end.

    ``d`` replaces the log ratios of the pairs (earlier controls refine them).
    """
    d = rows.d if d is None else d
    looks = _look(d, rows, protocol, looks_alpha)
    alpha = MAX_FALSE - looks_alpha if protocol.monitored else MAX_FALSE
    resource = _resource_axes(looks, d, alpha, protocol.margin_alpha, seed)
    success, bounded = success_axes(rows.success, looks.stop, protocol, looks.lost)
    totals = looks.at_end(np.cumsum(rows.treatment, axis=1)) / looks.at_end(
        np.cumsum(rows.control, axis=1)
    )
    lo, hi = _reported(looks, alpha, looks_alpha if protocol.monitored else None)
    enough = d.shape[1] >= MIN_PLANS
    return Decided(
        resource=resource,
        success=success,
        decision=_decisions(resource, success, bounded, totals < 1, enough=enough),
        pairs=looks.stop,
        lo=lo,
        hi=hi,
    )


@dataclass(frozen=True)
class _Looks:
    """Means and SDs of the first 1, 2, … pairs, and where each experiment ended.

    ``settled`` by its resource, ``lost`` because success was shown to be lost.
    """

    count: Integers
    means: Floats
    sds: Floats
    stop: Integers
    settled: Booleans
    lost: Booleans

    def at_end(self, values: Floats) -> Floats:
        """Return the value of each experiment where it ended."""
        return values[np.arange(len(self.stop)), self.stop - 1]

    @property
    def full(self) -> Booleans:
        """Which ran all their pairs, so that the last look was taken."""
        return self.stop == len(self.count)


def _look(d: Floats, rows: Rows, protocol: AnalysisProtocol, looks_alpha: float) -> _Looks:
    """Look after every pair where the protocol is monitored, else once at the end."""
    number, size = d.shape
    count = np.arange(1, size + 1, dtype=np.int64)
    means, sds = _running(d, count)
    if not protocol.monitored:
        none = np.zeros(number, dtype=np.bool_)
        return _Looks(count, means, sds, np.full(number, size, dtype=np.int64), none, none)
    first = max(MIN_PLANS, protocol.min_pairs or 0)
    settled = (log_e_values(count, means, sds) >= -math.log(looks_alpha)) & (count >= first)
    lost = losses(rows.success, protocol)
    ends = settled | lost
    stop: Integers = np.where(ends.any(axis=1), ends.argmax(axis=1) + 1, size)
    at = np.arange(number), stop - 1
    return _Looks(count, means, sds, stop, settled[at], lost[at])


def _running(d: Floats, count: Integers) -> tuple[Floats, Floats]:
    """Mean and SD of the first 1, 2, … columns."""
    shift = d[:, :1]
    centred = d - shift
    means = np.cumsum(centred, axis=1) / count
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = np.cumsum(centred**2, axis=1)
        variance = (squares - count * means**2) / (count - 1)
    sds = np.sqrt(np.where(variance > ROUNDING**2, variance, 0.0))
    sds[:, 0] = np.nan
    means = means + shift
    means[(sds == 0) & (np.abs(means) < ROUNDING)] = 0.0
    return means, sds


def _resource_axes(
    looks: _Looks, d: Floats, alpha: float, margin_alpha: float, seed: int
) -> Integers:
    axis = np.full(len(d), RESOURCES.index(ResourceAxis.UNCLEAR), dtype=np.int64)
    mean, sd, stop = looks.at_end(looks.means), looks.at_end(looks.sds), looks.stop
    last = looks.full & ~looks.settled
    skew = np.zeros(len(d))
    skew[last] = _skewness(d[last])
    with np.errstate(invalid="ignore"):
        error = sd / np.sqrt(stop)

        def limits(side: float) -> tuple[Floats, Floats]:
            """Return the t limits and those corrected for skewness, whichever lie further out."""
            half = special.stdtrit(stop - 1, 1 - side)
            quantile: Floats = special.stdtrit(stop - 1, 1 - SKEW_SHARE * side).astype(np.float64)
            low, high = skew_quantiles(stop.astype(np.float64), skew, quantile)
            return mean - np.maximum(half, high) * error, mean + np.maximum(half, -low) * error

        lo, hi = limits(margin_alpha)
        same = last & (lo >= -_LOG_TENTH) & (hi <= _LOG_TENTH)
        lo, hi = limits(alpha / 2)
        shown = last & ((lo > 0) | (hi < 0))
        half = special.stdtrit(stop - 1, 1 - alpha / 2) * error
        doubtful = shown & ((np.abs(mean) < _BEYOND_DOUBT * half) | (d.shape[1] <= _ALL_FLIPS))
    shown[doubtful] = _flips_agree(d[doubtful], alpha / 2, seed)
    axis[same] = RESOURCES.index(ResourceAxis.SAME)
    axis[(looks.settled | shown) & (mean < 0)] = RESOURCES.index(ResourceAxis.FEWER)
    axis[(looks.settled | shown) & (mean > 0)] = RESOURCES.index(ResourceAxis.MORE)
    return axis


def _skewness(d: Floats) -> Floats:
    """Return the adjusted skewness of each row; 0 without spread."""
    n = d.shape[1]
    if n < 3:
        return np.zeros(len(d))
    centred = d - d.mean(axis=1, keepdims=True)
    spread = (centred**2).mean(axis=1)
    flat = spread < ROUNDING**2
    third = (centred**3).mean(axis=1) / np.where(flat, 1.0, spread) ** 1.5
    return np.where(flat, 0.0, third * math.sqrt(n * (n - 1)) / (n - 2))


def _flips_agree(d: Floats, alpha: float, seed: int) -> NDArray[np.bool_]:
    """Return whether the sign-flip p for the direction of each mean is at most ``alpha``."""
    number, size = d.shape
    if size > _FLIPS_UP_TO or number == 0:
        return np.ones(number, dtype=np.bool_)
    if size <= _ALL_FLIPS:
        bits: Integers = (np.arange(2**size)[:, None] >> np.arange(size)) & 1
        signs = bits * 2.0 - 1
        extra = 0
    else:
        random = np.random.Generator(np.random.PCG64(seed))
        signs = random.integers(0, 2, size=(_FLIPS, size)) * 2.0 - 1
        extra = 1
    observed = np.abs(d.sum(axis=1)) - ROUNDING * np.abs(d).sum(axis=1)
    reached = np.zeros(number)
    step = max(1, 8_000_000 // len(signs))
    for start in range(0, number, step):
        part = slice(start, start + step)
        turned = d[part] * np.sign(d[part].sum(axis=1, keepdims=True))
        reached[part] = np.count_nonzero(signs @ turned.T >= observed[part], axis=0)
    return (reached + extra) / (len(signs) + extra) <= alpha


def _reported(looks: _Looks, alpha: float, looks_alpha: float | None) -> tuple[Floats, Floats]:
    """Return the limits of the 95% interval; ``looks_alpha`` where looks were taken."""
    mean, sd, stop = looks.at_end(looks.means), looks.at_end(looks.sds), looks.stop
    with np.errstate(invalid="ignore"):
        half = special.stdtrit(stop - 1, 1 - alpha / 2) * sd / np.sqrt(stop)
    lo, hi = mean - half, mean + half
    if looks_alpha is None:
        return lo, hi
    width = half_widths(looks.count, looks.sds, looks_alpha)
    first = looks.at_end(np.maximum.accumulate(looks.means - width, axis=1))
    last = looks.at_end(np.minimum.accumulate(looks.means + width, axis=1))
    out = (first > mean) | (last < mean)
    newest = looks.at_end(width)
    first, last = np.where(out, mean - newest, first), np.where(out, mean + newest, last)
    lo, hi = np.maximum(first, lo), np.minimum(last, hi)
    return np.where(looks.full, lo, first), np.where(looks.full, hi, last)


def _decisions(
    resource: Integers,
    success: Integers,
    bounded: NDArray[np.bool_],
    total_saves: NDArray[np.bool_],
    *,
    enough: bool,
) -> Integers:
    if not enough:
        return np.full(len(resource), DECISIONS.index(Decision.INSUFFICIENT), dtype=np.int64)
    table = np.array(
        [
            [
                [
                    [
                        DECISIONS.index(cell(r, s, bounded_above=b, total_saves=t).decision)
                        for t in (False, True)
                    ]
                    for b in (False, True)
                ]
                for s in SUCCESSES
            ]
            for r in RESOURCES
        ],
        dtype=np.int64,
    )
    return table[resource, success, bounded.astype(np.int64), total_saves.astype(np.int64)]
