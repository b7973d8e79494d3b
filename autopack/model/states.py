"""Which state of a run, a phase or an attempt may follow which; anything else is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from autopack.model.errors import IllegalTransition

Kind = Literal["run", "phase", "attempt"]


class RunState(StrEnum):
    """Where a run is; every ``DONE_*`` is final, but for what `reopen` allows."""

    RUN_CREATED = "RUN_CREATED"
    PHASE_EXECUTION = "PHASE_EXECUTION"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    DONE_SUCCESS = "DONE_SUCCESS"
    DONE_FAILED_BUDGET_EXHAUSTED = "DONE_FAILED_BUDGET_EXHAUSTED"
    DONE_FAILED_POLICY_VIOLATION = "DONE_FAILED_POLICY_VIOLATION"
    DONE_FAILED_REQUIRES_HUMAN_REVIEW = "DONE_FAILED_REQUIRES_HUMAN_REVIEW"
    DONE_FAILED_ENVIRONMENT = "DONE_FAILED_ENVIRONMENT"
    DONE_CANCELLED = "DONE_CANCELLED"

    @property
    def is_final(self) -> bool:
        return self.name.startswith("DONE_")

    @property
    def can_reopen(self) -> bool:
        """Whether a person may have the run continue though it ended: the world was to blame."""
        return self is RunState.DONE_FAILED_ENVIRONMENT

    @property
    def is_failure(self) -> bool:
        return self.name.startswith("DONE_FAILED_")


class PhaseState(StrEnum):
    """Where a phase is."""

    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"

    @property
    def is_final(self) -> bool:
        """Whether only a rollback leads on from here."""
        return self in (PhaseState.COMPLETE, PhaseState.FAILED, PhaseState.SKIPPED)


class AttemptState(StrEnum):
    """Where an attempt is: the builder works, its tree is committed, or how it ended."""

    STARTED = "STARTED"
    BUILT = "BUILT"
    PASSED = "PASSED"
    FAILED = "FAILED"
    INTERRUPTED = "INTERRUPTED"

    @property
    def is_open(self) -> bool:
        return self in (AttemptState.STARTED, AttemptState.BUILT)


_DONE = frozenset(state for state in RunState if state.is_final)
_NOTHING: frozenset[PhaseState] = frozenset()

RUN_TRANSITIONS: Mapping[RunState, frozenset[RunState]] = MappingProxyType(
    {
        RunState.RUN_CREATED: frozenset({RunState.PHASE_EXECUTION, RunState.DONE_CANCELLED}),
        RunState.PHASE_EXECUTION: _DONE | {RunState.AWAITING_APPROVAL},
        RunState.AWAITING_APPROVAL: _DONE | {RunState.PHASE_EXECUTION},
        **{state: frozenset[RunState]() for state in _DONE},
    }
)

PHASE_TRANSITIONS: Mapping[PhaseState, frozenset[PhaseState]] = MappingProxyType(
    {
        PhaseState.QUEUED: frozenset({PhaseState.EXECUTING, PhaseState.SKIPPED}),
        PhaseState.EXECUTING: frozenset(
            {PhaseState.COMPLETE, PhaseState.FAILED, PhaseState.SKIPPED, PhaseState.QUEUED}
        ),
        PhaseState.COMPLETE: _NOTHING,
        PhaseState.FAILED: _NOTHING,
        PhaseState.SKIPPED: _NOTHING,
    }
)

ATTEMPT_TRANSITIONS: Mapping[AttemptState, frozenset[AttemptState]] = MappingProxyType(
    {
        AttemptState.STARTED: frozenset(
            {AttemptState.BUILT, AttemptState.FAILED, AttemptState.INTERRUPTED}
        ),
        # A built attempt is validated after a crash, never interrupted: its build is paid for.
        AttemptState.BUILT: frozenset({AttemptState.PASSED, AttemptState.FAILED}),
        AttemptState.PASSED: frozenset(),
        AttemptState.FAILED: frozenset(),
        AttemptState.INTERRUPTED: frozenset(),
    }
)

_TRANSITIONS: Mapping[Kind, Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "run": {old: frozenset[str](new) for old, new in RUN_TRANSITIONS.items()},
        "phase": {old: frozenset[str](new) for old, new in PHASE_TRANSITIONS.items()},
        "attempt": {old: frozenset[str](new) for old, new in ATTEMPT_TRANSITIONS.items()},
    }
)


_REOPENED = (
    ("run", RunState.DONE_FAILED_ENVIRONMENT, RunState.PHASE_EXECUTION),
    ("phase", PhaseState.FAILED, PhaseState.QUEUED),
)


def check_transition(
    kind: Kind, old: str, new: str, *, rollback: bool = False, reopen: bool = False
) -> None:
    """Raise IllegalTransition unless ``new`` may follow ``old``.

    ``rollback`` also lets a phase that ended be queued again, ``reopen`` one that failed and a
    run that ended for its environment continue; they allow nothing else.
    """
    if new in _TRANSITIONS[kind][old]:
        return
    if reopen and (kind, old, new) in _REOPENED:
        return
    if rollback and kind == "phase" and PhaseState(old).is_final and new == PhaseState.QUEUED:
        return
    raise IllegalTransition(f"{kind}: {new} may not follow {old}")
