"""How the resource ratio depends on runs that ended without success."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autopack.experiments.statistics.log_ratio import LogRatio, log_ratio
from autopack.experiments.statistics.token_evidence import PlanGroups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

# A run that fails with less than this share of its partner's resource has given up early.
EARLY_SHARE = 0.5
# Such runs drive the mean when leaving their pairs out moves it by more than this.
NOTICEABLE = 0.05


@dataclass(frozen=True)
class EarlyEndings:
    """Runs that failed with less than half of what their partner used, by arm.

    ``without`` is the geometric mean ratio over the other pairs; None where none are left.
    """

    control: int
    treatment: int
    ratio: float | None
    without: float | None

    @property
    def drive_the_mean(self) -> bool:
        """Whether the mean moves noticeably without them, or nothing is left without them."""
        if self.control + self.treatment == 0 or self.ratio is None:
            return False
        if self.without is None:
            return True
        return abs(math.log(self.without / self.ratio)) > NOTICEABLE


def ratio_where_both_succeeded(
    d: Floats, plans: Sequence[str], control: Booleans, treatment: Booleans
) -> LogRatio:
    """Return the log ratio over pairs in which both arms succeeded; a sensitivity line.

    It leaves out runs by their outcome, so it describes and decides nothing.
    """
    return _over(d, plans, control & treatment)


def early_endings(
    d: Floats, plans: Sequence[str], control: Booleans, treatment: Booleans
) -> EarlyEndings:
    """Count the runs that gave up early, and weigh the mean without their pairs."""
    cut = -math.log(EARLY_SHARE)
    by_treatment, by_control = ~treatment & (d < -cut), ~control & (d > cut)
    rest = _over(d, plans, ~(by_treatment | by_control))
    return EarlyEndings(
        control=int(by_control.sum()),
        treatment=int(by_treatment.sum()),
        ratio=log_ratio(PlanGroups(plans).mean(d)).ratio,
        without=rest.ratio,
    )


def _over(d: Floats, plans: Sequence[str], keep: Booleans) -> LogRatio:
    kept = [plan for plan, kept in zip(plans, keep.tolist(), strict=True) if kept]
    return log_ratio(PlanGroups(kept).mean(d[keep]))
