"""Pairs whose truth is known: four generators of tokens, and success that goes with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Shape = tuple[int, int]

SIGMA = math.sqrt(math.log(2))  # of the log of one run: coefficient of variation 1
CORRELATION = 0.5
SIZES = (7, 10, 20, 50, 111)
RATIOS = (1.0, 0.8, 0.6)
MARGIN = 0.10
WITH_TOKENS = 0.6


@dataclass(frozen=True)
class Pairs:
    """Log tokens of both arms, and the standard normal noise of each that is not its plan's."""

    control: Floats
    treatment: Floats
    task: Floats
    first: Floats
    second: Floats


Generator = Callable[[np.random.Generator, Shape], Pairs]


def _pairs(task: Floats, first: Floats, second: Floats) -> Pairs:
    shared, own = math.sqrt(CORRELATION) * SIGMA, math.sqrt(1 - CORRELATION) * SIGMA
    return Pairs(
        11 + shared * task + own * first, 11 + shared * task + own * second, task, first, second
    )


def _with(pairs: Pairs, control: Floats | float, treatment: Floats | float) -> Pairs:
    return Pairs(
        pairs.control + control,
        pairs.treatment + treatment,
        pairs.task,
        pairs.first,
        pairs.second,
    )


def lognormal(random: np.random.Generator, shape: Shape) -> Pairs:
    return _pairs(*random.standard_normal((3, *shape)))


def loops(random: np.random.Generator, shape: Shape) -> Pairs:
    extra = math.log(5) * (random.random((2, *shape)) < 0.1)
    return _with(lognormal(random, shape), extra[0], extra[1])


def tails(random: np.random.Generator, shape: Shape) -> Pairs:
    first, second = random.standard_t(3, (2, *shape)) / math.sqrt(3)
    return _pairs(random.standard_normal(shape), first, second)


def skewed(random: np.random.Generator, shape: Shape) -> Pairs:
    extra = math.log(5) * ((random.random(shape) < 0.2) - 0.2)
    return _with(lognormal(random, shape), 0.0, extra)  # pyright: ignore[reportArgumentType]


GENERATORS: dict[str, Generator] = {
    "lognormal": lognormal,
    "loops": loops,
    "tails": tails,
    "skewed": skewed,
}
SETTINGS = {"easy": (0.95, 0.95), "equal": (0.8, 0.8), "hard": (0.5, 0.5), "lost": (0.8, 0.7)}


def succeeds(
    random: np.random.Generator, task: Floats, own: Floats, rate: float
) -> NDArray[np.bool_]:
    """Which runs succeed, in ``rate`` of all: half by their plan, in part by their own noise."""
    # Noise of whatever distribution becomes normal by its ranks.
    ranks = own.ravel().argsort().argsort().reshape(own.shape)
    normal = special.ndtri((ranks + 0.5) / own.size)
    alone = math.sqrt(1 - WITH_TOKENS**2) * random.standard_normal(own.shape)
    difficulty = (task + WITH_TOKENS * normal + alone) / math.sqrt(2)
    return difficulty < special.ndtri(rate)
