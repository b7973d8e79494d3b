"""The Doctor protocol: what it is asked, the one action that it answers, and what that cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from autopack.model.calls import (
    ModelCall,
)
from autopack.model.errors import WorkFailed
from autopack.plan.values import CommandText
from autopack.repair.doctor.routing import DoctorTier


class DoctorAction(StrEnum):
    """What a doctor may have done."""

    RETRY_WITH_FIX = "retry_with_fix"
    """Build again with the hint."""
    REPLAN = "replan"
    """Replace the phase's instructions and start it anew."""
    ROLLBACK_RUN = "rollback_run"
    """Go back to a commit of the run, and do again what came after it."""
    SKIP_PHASE = "skip_phase"
    """Leave the phase out."""
    MARK_FATAL = "mark_fatal"
    """No attempt can help: a person has to look."""
    EXECUTE_FIX = "execute_fix"
    """Run allow-listed commands, then validate the same attempt again."""


class Answer(BaseModel):
    """A doctor's answer.

    ``hint`` is for the next build; for a replan it is the phase's new instructions. ``commit``
    is where a rollback goes: one of the commits in the question. ``commands`` are for
    execute_fix, each as the plan allows it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: DoctorAction
    confidence: float = Field(ge=0, le=1)
    rationale: str = Field(max_length=4_000)
    hint: str = Field(default="", max_length=4_000)
    commit: str = Field(default="", max_length=64)
    commands: tuple[CommandText, ...] = Field(default=(), max_length=10)


@dataclass(frozen=True)
class Opinion:
    """An answer, and the model calls that it took."""

    answer: Answer
    calls: Sequence[ModelCall] = field(default_factory=tuple[ModelCall, ...])


class DoctorFailed(WorkFailed):
    """A doctor could not be asked, or did not answer; ``calls`` are what that cost all the same."""

    kind = "doctor"

    def __init__(self, message: str, calls: Sequence[ModelCall] = ()) -> None:
        super().__init__(message)
        self.calls = calls


class Doctor(Protocol):
    """One that answers."""

    seconds: float
    """How long an answer may take."""

    def most(self, question: str, *, tier: DoctorTier, phase_id: str, call: int) -> ModelCall:
        """Return what asking ``question`` uses at most, which is set aside before it is asked."""
        ...

    async def ask(self, question: str, *, tier: DoctorTier, phase_id: str, call: int) -> Opinion:
        """Answer ``question``, the ``call``-th about this phase, from 1. Raises DoctorFailed."""
        ...
