"""What a build is told of the run around it: the plan, the attempts before, what fails anyway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class StepState(StrEnum):
    """Where a phase of the plan stands while another is built."""

    DONE = "done"
    NOW = "now"
    LATER = "later"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class PlanStep:
    """A phase of the plan; ``commit`` is what a finished one became."""

    phase_id: str
    instructions: str
    state: StepState
    commit: str | None = None


@dataclass(frozen=True)
class EarlierAttempt:
    """An attempt at the same phase that failed: its cause and message, and what its agent said."""

    attempt: int
    cause: str
    message: str
    claim: str | None = None


@dataclass(frozen=True)
class Situation:
    """``keeps_work``: whether the worktree has the change of the last attempt, None for a first
    attempt. ``red_before`` says in words which tests failed before the run began.
    ``missing_submodules`` are the folders of those that could not be fetched."""

    steps: Sequence[PlanStep] = ()
    earlier: Sequence[EarlierAttempt] = ()
    keeps_work: bool | None = None
    red_before: str | None = None
    missing_submodules: Sequence[str] = ()
