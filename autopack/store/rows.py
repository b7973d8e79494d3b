"""What the tables hold, as values; times are aware and UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import RowMapping

from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState, PhaseState, RunState

AtCap = Literal["fail", "ask"]


@dataclass(frozen=True, kw_only=True)
class Retry:
    """What a run takes over from the run it retries.

    ``kept`` are the completed phases with their commits, the last of which is ``head`` (None when
    nothing is kept). ``phase`` is the first one to be done again, ``attempt`` the one of that
    phase in the other run whose work it begins with, None for none.
    """

    run_id: str
    kept: Mapping[str, str]
    head: str | None
    phase: str | None = None
    attempt: int | None = None


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """A run as it is asked for. ``plan_body`` is the plan whose hash is ``plan_hash``."""

    run_id: str
    plan_hash: str
    plan_body: Mapping[str, Any]
    goal: str
    repo: str
    base_commit: str
    branch: str
    builder: str
    builder_options: Mapping[str, Any]
    model: str | None
    models: Mapping[str, Any]
    features: tuple[str, ...]
    token_cap: int
    cost_cap: Decimal | None
    minutes_cap: float
    at_cap: AtCap
    campaign_id: str | None = None
    prompt: str | None = None
    push: str | None = None
    pr: str | None = None
    replay_of: str | None = None
    lane: str | None = None
    retry: Retry | None = None


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A run. ``elapsed_seconds`` is the working time of its earlier sessions."""

    run_id: str
    plan_hash: str
    goal: str
    repo: str
    base_commit: str
    head_commit: str | None
    branch: str
    builder: str
    builder_options: dict[str, Any]
    model: str | None
    models: dict[str, Any]
    features: tuple[str, ...]
    toolchains: list[dict[str, Any]] | None
    token_cap: int
    cost_cap: Decimal | None
    minutes_cap: float
    at_cap: AtCap
    state: RunState
    failure_reason: str | None
    cancel_requested_at: datetime | None
    flow_run_id: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    elapsed_seconds: float
    campaign_id: str | None
    prompt: str | None = None
    push: str | None = None
    push_error: str | None = None
    pr: str | None = None
    pull_request: dict[str, Any] | None = None
    replay_of: str | None = None
    lane: str | None = None
    setup_notes: list[str] | None = None
    retry_of: str | None = None
    retry_phase: str | None = None
    retry_attempt: int | None = None
    recoveries: int = 0
    recoveries_at_progress: int = 0
    recovery_tries: int = 0
    recovery_tried_at: datetime | None = None
    database_id: str | None = None
    final_check: dict[str, Any] | None = None

    @classmethod
    def of(cls, row: RowMapping) -> RunRow:
        values: dict[str, Any] = {**row, "features": tuple(row["features"])}
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class PhaseRow:
    """A phase of a run; ``ordinal`` counts from 0 in the plan's order."""

    run_id: str
    phase_id: str
    ordinal: int
    tier: str
    state: PhaseState
    revision: int
    commit: str | None
    failure_cause: str | None
    failure_message: str | None
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, row: RowMapping) -> PhaseRow:
        return cls(**row)


@dataclass(frozen=True)
class PhaseFailure:
    """Why a phase failed or was skipped."""

    cause: str
    message: str


@dataclass(frozen=True)
class Findings:
    """What an attempt left that its commit lacks, and the tests that it changed; as JSON.

    None where nobody has looked.
    """

    left_out: list[dict[str, Any]] | None = None
    changed_tests: list[dict[str, Any]] | None = None


@dataclass(frozen=True, kw_only=True)
class Built:
    """How a build ended whose tree is ``commit``; see `AttemptRow` for what the fields mean."""

    commit: str
    build_status: str
    exit_status: int | None
    summary: str | None
    changed_paths: Sequence[str]
    ended_by: str | None = None
    http_status: int | None = None
    retry_after: float | None = None
    build_cause: str | None = None
    conversation: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How an attempt ends: PASSED, FAILED or INTERRUPTED, and why.

    ``counts`` is False when trouble outside ended it: it uses up no attempt. ``keeps_work`` tells
    whether the attempt after a failed one starts from its tree.
    """

    state: AttemptState
    failure_cause: str | None = None
    failure_message: str | None = None
    failure_output: str | None = None
    findings: Findings = Findings()
    counts: bool = True
    keeps_work: bool | None = None


@dataclass(frozen=True, kw_only=True)
class AttemptRow:
    """One execution of a phase.

    ``attempt`` is never reused, so it numbers interrupted attempts too; ``recorded_build``
    numbers only builds that ended. ``ended_by``, ``http_status`` and ``retry_after`` are the
    build's; ``build_cause`` is the failure cause that they stand for. ``counts`` is False for an
    attempt that trouble outside ended. ``keeps_work`` tells of a failed one whether the next
    starts from its tree. ``model`` is the one that was asked for, at ``model_level`` of its ladder,
    from 0. ``conversation`` is the agent's own, where retries are to continue it.
    """

    run_id: str
    phase_id: str
    attempt: int
    revision: int
    state: AttemptState
    base_commit: str
    commit: str | None
    builder: str
    recorded_build: int
    hint: str | None
    build_status: str | None
    exit_status: int | None
    summary: str | None
    changed_paths: tuple[str, ...] | None
    failure_cause: str | None
    failure_message: str | None
    failure_output: str | None
    started_at: datetime
    built_at: datetime | None
    finished_at: datetime | None
    home: str | None = None
    redacted_at: datetime | None = None
    left_out: list[dict[str, Any]] | None = None
    changed_tests: list[dict[str, Any]] | None = None
    ended_by: str | None = None
    http_status: int | None = None
    retry_after: float | None = None
    build_cause: str | None = None
    counts: bool = True
    keeps_work: bool | None = None
    model: str | None = None
    model_level: int = 0
    conversation: dict[str, Any] | None = None

    @property
    def key(self) -> AttemptKey:
        return AttemptKey(self.run_id, self.phase_id, self.attempt)

    @property
    def is_counted(self) -> bool:
        """Whether it uses up an attempt: its build ended, and not for trouble outside."""
        return self.built_at is not None and self.counts

    @property
    def built_commit(self) -> str:
        """Its commit, which every attempt has whose build ended."""
        if self.commit is None:
            raise AssertionError(f"attempt {self.attempt} of {self.phase_id} has no commit")
        return self.commit

    @classmethod
    def of(cls, row: RowMapping) -> AttemptRow:
        paths: list[str] | None = row["changed_paths"]
        values: dict[str, Any] = {**row, "changed_paths": None if paths is None else tuple(paths)}
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class DecisionRow:
    """What was decided after an attempt, and why; ``run_state`` is where a stop ends the run."""

    id: int
    run_id: str
    phase_id: str
    attempt: int
    kind: str
    reason: str
    run_state: RunState | None
    created_at: datetime

    @classmethod
    def of(cls, row: RowMapping) -> DecisionRow:
        state: str | None = row["run_state"]
        values: dict[str, Any] = {**row, "run_state": None if state is None else RunState(state)}
        return cls(**values)


@dataclass(frozen=True)
class Page:
    """Some runs, newest first; ``next_cursor`` continues the listing, None at its end."""

    rows: tuple[RunRow, ...]
    next_cursor: str | None
