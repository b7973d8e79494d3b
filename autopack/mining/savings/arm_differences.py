"""Differences between the arms of a hold-out, each of runs that no other difference holds.

A run with phases of both arms is a difference of its own. Of the others, the next held-out run is
set against as many treated ones as the share makes come with it, in the order in which they came;
so the differences are alike and independent, as the statistics of pairs want them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autopack.repair.holdout import Arm

_MOST = 20
"""Treated runs against one held-out one at most: more of them hardly sharpen a difference."""


@dataclass(frozen=True)
class Observed:
    """One eligible phase: its run, its arm, the share that was held out then, and a value."""

    run_id: str
    arm: Arm
    share: float
    value: float


def differences(observed: Iterable[Observed]) -> list[float]:
    """Return treated less held out, one number a block, in the order in which blocks fill."""
    found: list[float] = []
    waiting: dict[float, dict[Arm, list[float]]] = defaultdict(
        lambda: {"treated": [], "held_out": []}
    )
    for share, arms in _runs(observed):
        if len(arms) == 2:
            found.append(_mean(arms["treated"]) - _mean(arms["held_out"]))
            continue
        queues = waiting[share]
        for arm, values in arms.items():
            queues[arm].append(_mean(values))
        treated, held_out = sizes(share)
        if len(queues["treated"]) >= treated and len(queues["held_out"]) >= held_out:
            one = _mean(_take(queues["treated"], treated))
            found.append(one - _mean(_take(queues["held_out"], held_out)))
    return found


def sizes(share: float) -> tuple[int, int]:
    """Return how many treated and how many held-out runs make a block."""
    if share <= 0.5:
        return min(max(int((1 - share) / share), 1) if share > 0 else _MOST, _MOST), 1
    return 1, min(max(int(share / (1 - share)), 1) if share < 1 else _MOST, _MOST)


def _runs(observed: Iterable[Observed]) -> list[tuple[float, dict[Arm, list[float]]]]:
    """Return the values of each run by arm, with its share, in order of its first phase."""
    runs: dict[tuple[str, float], dict[Arm, list[float]]] = {}
    for one in observed:
        runs.setdefault((one.run_id, one.share), {}).setdefault(one.arm, []).append(one.value)
    return [(share, arms) for (_, share), arms in runs.items()]


def _take(queue: list[float], count: int) -> list[float]:
    taken = queue[:count]
    del queue[:count]
    return taken


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
