"""What is known of one run that may be part of a pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autopack.experiments.recorded.ends import Outcome
from autopack.experiments.recorded.validity import ArmRun


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a run counts for in an experiment; a metric that is unknown is None.

    ``phases`` are all of its plan, ``complete`` those it completed. ``acted`` says of each feature
    that was on whether it did anything, ``models_seen`` which models its builds called.
    """

    arm: ArmRun
    plan_hash: str
    phases: tuple[str, ...] = ()
    complete: frozenset[str] = frozenset()
    metrics: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    acted: Mapping[str, bool] = field(default_factory=dict[str, bool])
    models_seen: frozenset[str] = frozenset()

    @property
    def success(self) -> bool:
        """Whether the whole run succeeded."""
        return self.arm.outcome is Outcome.SUCCESS

    @property
    def fraction(self) -> float:
        """The share of its phases that it completed."""
        return len(self.complete) / len(self.phases) if self.phases else float(self.success)
