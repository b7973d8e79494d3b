"""What each pattern saves: the phases that were treated against those that were held out.

Phases count in the arm that was drawn for them, failed ones too; runs are what is independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from autopack.ledger.held_out import arm_weight
from autopack.mining.savings.arm_differences import Observed, differences
from autopack.mining.savings.eligible import EligiblePhase, eligible
from autopack.repair.holdout import Arm
from autopack.store.database.engine import Database

ALPHA = 0.05
"""What all looks together may be wrong, on both sides."""


@dataclass(frozen=True)
class Ratio:
    """Treated over held out: below 1 is a saving. The interval holds at every look at once.

    ``value`` is None without a block, the bounds are until there are seven.
    """

    blocks: int
    value: float | None
    lo: float | None
    hi: float | None


@dataclass(frozen=True)
class Arms:
    """A figure of each arm; None where there is nothing."""

    treated: float | None
    held_out: float | None

    @property
    def difference(self) -> float | None:
        """Treated less held out."""
        if self.treated is None or self.held_out is None:
            return None
        return self.treated - self.held_out


@dataclass(frozen=True)
class Saving:
    """What one detector saves.

    ``treated`` and ``held_out`` count ended phases, ``open`` those that go on, ``unknown`` those
    whose tokens are not known. ``tokens`` and ``cost`` are means a phase, ``success`` the share
    that was completed. ``modelled`` is the estimate a treated phase, over ``modelled_phases``.
    """

    pattern_id: str
    version: int
    digest: str
    treated: int
    held_out: int
    open: int
    unknown: int
    tokens: Arms
    cost: Arms
    token_ratio: Ratio
    cost_ratio: Ratio
    success: Arms
    modelled: float | None
    modelled_phases: int

    @property
    def calibration(self) -> float | None:
        """Return measured over modelled, a treated phase; 1 where the estimate is right."""
        difference = self.tokens.difference
        if difference is None or not self.modelled:
            return None
        return -difference / self.modelled


def savings(db: Database, since: datetime | None = None) -> list[Saving]:
    """Return what each detector with a draw saves, since a moment or ever."""
    with db.read() as conn:
        found = eligible(conn, since)
    detectors: dict[tuple[str, int, str], list[EligiblePhase]] = {}
    for phase in found:
        detectors.setdefault((phase.pattern_id, phase.version, phase.digest), []).append(phase)
    return [_saving(*key, listed) for key, listed in sorted(detectors.items())]


def _saving(pattern_id: str, version: int, digest: str, listed: Sequence[EligiblePhase]) -> Saving:
    ended = [phase for phase in listed if phase.completed is not None]
    estimated = [
        phase.modelled for phase in ended if phase.arm == "treated" and phase.modelled is not None
    ]
    return Saving(
        pattern_id,
        version,
        digest,
        treated=sum(phase.arm == "treated" for phase in ended),
        held_out=sum(phase.arm == "held_out" for phase in ended),
        open=len(listed) - len(ended),
        unknown=sum(not phase.tokens for phase in ended),
        tokens=_means(ended, lambda phase: phase.tokens or None),
        cost=_means(ended, _cost),
        token_ratio=_ratio(ended, lambda phase: phase.tokens or None),
        cost_ratio=_ratio(ended, _cost),
        success=_means(ended, lambda phase: float(bool(phase.completed))),
        modelled=sum(estimated) / len(estimated) if estimated else None,
        modelled_phases=len(estimated),
    )


_Figure = Callable[[EligiblePhase], float | None]


def _cost(phase: EligiblePhase) -> float | None:
    return float(phase.cost) if phase.cost else None


def _means(ended: Sequence[EligiblePhase], figure: _Figure) -> Arms:
    def mean(arm: Arm) -> float | None:
        known = [
            (arm_weight(arm, one.share), value)
            for one in ended
            if one.arm == arm and (value := figure(one)) is not None
        ]
        weight = sum(weight for weight, _ in known)
        return sum(weight * value for weight, value in known) / weight if known else None

    return Arms(mean("treated"), mean("held_out"))


def _ratio(ended: Sequence[EligiblePhase], figure: _Figure) -> Ratio:
    return ratio_of(
        [
            Observed(phase.run_id, phase.arm, phase.share, math.log(value))
            for phase in ended
            if (value := figure(phase)) is not None
        ]
    )


def ratio_of(observed: Sequence[Observed]) -> Ratio:
    """Return the ratio of the arms by the logarithms of what they used, with its interval."""
    found = differences(observed)
    if not found:
        return Ratio(0, None, None, None)
    import numpy as np

    from autopack.experiments.statistics.sequential import MIN_PLANS, monitor  # loads numpy

    seen = monitor(np.array(found), range(len(found)), alpha=ALPHA)
    lo, hi = float(seen.lo[-1]), float(seen.hi[-1])
    mean = float(np.mean(found))
    if not lo <= hi:  # looks that contradict each other: only the newest is told
        lo, hi = mean - float(seen.half[-1]), mean + float(seen.half[-1])
    bounded = math.isfinite(lo) and math.isfinite(hi) and len(found) >= MIN_PLANS
    return Ratio(
        len(found),
        math.exp(mean),
        math.exp(lo) if bounded else None,
        math.exp(hi) if bounded else None,
    )


def as_json(saving: Saving) -> dict[str, Any]:
    """Return a saving as JSON; what is unknown is null."""
    difference = saving.tokens.difference
    return {
        "pattern_id": saving.pattern_id,
        "version": saving.version,
        "digest": saving.digest,
        "n_treated": saving.treated,
        "n_held_out": saving.held_out,
        "n_open": saving.open,
        "n_unknown": saving.unknown,
        "tokens": {
            "treated": saving.tokens.treated,
            "held_out": saving.tokens.held_out,
            "saved_a_phase": None if difference is None else -difference,
        },
        "cost": {"treated": saving.cost.treated, "held_out": saving.cost.held_out},
        **_shown(saving.token_ratio),
        "cost_ratio": _shown(saving.cost_ratio),
        "success": {
            "treated": saving.success.treated,
            "held_out": saving.success.held_out,
            "difference": saving.success.difference,
        },
        "modelled": {"tokens_a_phase": saving.modelled, "phases": saving.modelled_phases},
        "calibration": saving.calibration,
    }


def _shown(ratio: Ratio) -> dict[str, Any]:
    return {
        "ratio": ratio.value,
        "ci": {"lo": ratio.lo, "hi": ratio.hi, "level": 1 - ALPHA, "kind": "anytime"},
        "blocks": ratio.blocks,
    }
