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

from autopack.experiments.planning.batch_success import SuccessRows, success_axes
from autopack.experiments.shapes.matrix import (
    Decision,
    ResourceAxis,
    SuccessAxis,
    cell,
)
from autopack.experiments.statistics.evidence import MAX_FALSE
from autopack.experiments.statistics.log_ratio import ROUNDING
from autopack.experiments.statistics.sequential import (
    MIN_PLANS,
    MONITORING_ALPHA,
    half_widths,
    log_e_values,
)

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

    ``pairs`` were run, ``lo`` and ``hi`` are the limits of the reported 95 % interval of the mean
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
    number, size = d.shape
    count = np.arange(1, size + 1, dtype=np.int64)
    means, sds = _running(d, count)
    stop: Integers = np.full(number, size, dtype=np.int64)
    early: Booleans = np.zeros(number, dtype=np.bool_)
    if protocol.monitored:
        log_e = log_e_values(count, means, sds)
        first = max(MIN_PLANS, protocol.min_pairs or 0)
        crossed: Booleans = (log_e >= -math.log(looks_alpha)) & (count >= first)
        early = np.asarray(crossed.any(axis=1), dtype=np.bool_)
        stop = np.where(early, crossed.argmax(axis=1) + 1, size)
    at = stop - 1, np.arange(number)
    mean, sd = means[at[1], at[0]], sds[at[1], at[0]]
    alpha = MAX_FALSE - looks_alpha if protocol.monitored else MAX_FALSE
    resource = _resource_axes(d, stop, early, mean, sd, alpha, protocol.margin_alpha, seed)
    success, bounded = success_axes(rows.success, stop, protocol)
    totals = _at(np.cumsum(rows.treatment, axis=1), at) / _at(np.cumsum(rows.control, axis=1), at)
    before = early & (stop < size)
    lo, hi = _reported(means, sds, count, at, mean, sd, before, alpha, looks_alpha, protocol)
    return Decided(
        resource=resource,
        success=success,
        decision=_decisions(resource, success, bounded, totals < 1, enough=size >= MIN_PLANS),
        pairs=stop,
        lo=lo,
        hi=hi,
    )


def _at(values: Floats, at: tuple[Integers, Integers]) -> Floats:
    return values[at[1], at[0]]


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
    d: Floats,
    stop: Integers,
    early: Booleans,
    mean: Floats,
    sd: Floats,
    alpha: float,
    margin_alpha: float,
    seed: int,
) -> Integers:
    axis = np.full(len(d), RESOURCES.index(ResourceAxis.UNCLEAR), dtype=np.int64)
    with np.errstate(invalid="ignore"):
        error = sd / np.sqrt(stop)
        half = special.stdtrit(stop - 1, 1 - alpha / 2) * error
        room = special.stdtrit(stop - 1, 1 - margin_alpha) * error
        same = ~early & (np.abs(mean) + room <= _LOG_TENTH)
        shown = ~early & (np.abs(mean) > half)
        doubtful = shown & ((np.abs(mean) < _BEYOND_DOUBT * half) | (d.shape[1] <= _ALL_FLIPS))
    shown[doubtful] = _flips_agree(d[doubtful], alpha / 2, seed)
    axis[same] = RESOURCES.index(ResourceAxis.SAME)
    axis[(early | shown) & (mean < 0)] = RESOURCES.index(ResourceAxis.FEWER)
    axis[(early | shown) & (mean > 0)] = RESOURCES.index(ResourceAxis.MORE)
    return axis


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


def _reported(
    means: Floats,
    sds: Floats,
    count: Integers,
    at: tuple[Integers, Integers],
    mean: Floats,
    sd: Floats,
    early: Booleans,
    alpha: float,
    looks_alpha: float,
    protocol: AnalysisProtocol,
) -> tuple[Floats, Floats]:
    stop = at[0] + 1
    with np.errstate(invalid="ignore"):
        half = special.stdtrit(stop - 1, 1 - alpha / 2) * sd / np.sqrt(stop)
    lo, hi = mean - half, mean + half
    if not protocol.monitored:
        return lo, hi
    width = half_widths(count, sds, looks_alpha)
    first = _at(np.maximum.accumulate(means - width, axis=1), at)
    last = _at(np.minimum.accumulate(means + width, axis=1), at)
    out = (first > mean) | (last < mean)
    newest = _at(width, at)
    first, last = np.where(out, mean - newest, first), np.where(out, mean + newest, last)
    at_the_end = np.maximum(first, lo), np.minimum(last, hi)
    return np.where(early, first, at_the_end[0]), np.where(early, last, at_the_end[1])


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
