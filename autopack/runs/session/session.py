"""A run in the hands of this process: its lease, its plan, its workspace, its caps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from autopack.agents.crew import Crew
from autopack.agents.protocol import Builder
from autopack.clock import Clock, SystemClock
from autopack.environments.environment import RunEnvironment
from autopack.ledger.budget import budget_tree
from autopack.model.budget import (
    Exhausted,
    Level,
    Limits,
    Reservation,
    first_exhausted,
)
from autopack.model.circuit import Admission
from autopack.model.commands import (
    Check,
)
from autopack.model.errors import Refused
from autopack.model.features import Feature, kill_switches
from autopack.model.fingerprint import Fingerprint
from autopack.model.ids import AttemptKey
from autopack.plan.plan import PhaseSpec, Plan
from autopack.process import leftovers
from autopack.process.supervisor import Supervisor
from autopack.repair.doctor.doctor_endpoint import Endpoint
from autopack.repair.outage import Outage
from autopack.runs.next_phase import next_phase
from autopack.runs.session.lease_keeper import LeaseKeeper
from autopack.runs.session.run_snapshot import ALL, Part, RunSnapshot
from autopack.runs.session.stop import StopReason, StopSwitch
from autopack.runs.spools.record_build import BuildRecorder
from autopack.secrecy.redaction import Redactor
from autopack.settings import Settings, process_environment
from autopack.store.database.engine import Database
from autopack.store.leases import Acquired, Lease
from autopack.store.runs import (
    AttemptRow,
    Findings,
    PhaseRow,
    RunRow,
    get_run,
)
from autopack.toolchains.toolchain import (
    Detected,
)
from autopack.workspace.mirror import Mirror
from autopack.workspace.workspace import Workspace

T = TypeVar("T")
FINAL = "final"
"""The folder of a run that has the fresh checkout and environment of the check at its end."""


@dataclass(frozen=True)
class Granted:
    """What a build may spend at first, and what it may do beyond that."""

    held: Reservation
    accepts_unpriced: bool
    shares_minutes: bool
    caps: tuple[Limits, ...]
    """The caps above it when it began, outermost first."""


@dataclass(frozen=True)
class Entry:
    """What is to be noted of a run when it is under way: whom it was taken from, and its begin."""

    fingerprint: Fingerprint | None
    acquired: Acquired


@dataclass
class RunSession:
    """Everything that one process needs while it holds one run."""

    run_id: str
    plan: Plan
    crew: Crew
    db: Database
    settings: Settings
    lease: Lease
    keeper: LeaseKeeper
    switch: StopSwitch
    supervisor: Supervisor
    mirror: Mirror
    workspace: Workspace
    toolchains: tuple[Detected, ...]
    redactor: Redactor
    folder: Path
    """The run's folder under the home."""
    environment: RunEnvironment | None = None
    doctor: Endpoint | None = None
    """Where the doctor is reached, if a block says so."""
    admission: Admission | None = None
    """The circuit's leave for the build that is about to start or under way."""
    installs: list[Check] = field(default_factory=list[Check])
    """What mitigations installed besides setup; done again wherever setup is."""
    findings: dict[AttemptKey, Findings] = field(default_factory=dict[AttemptKey, Findings])
    """What judging an attempt showed besides its verdict, until that is stored."""
    entry: Entry | None = None
    """What is still to be noted; None once the run is under way."""
    waits_for: str | None = None
    """What the run waits for before it can continue, in words."""
    clock: Clock = field(default_factory=SystemClock)
    outage: Outage = field(default_factory=Outage)
    """The trouble that this process has seen of the run's provider."""
    granted: dict[AttemptKey, Granted] = field(default_factory=dict[AttemptKey, Granted])
    """The budget of the build that is about to start or under way."""
    _seen: RunSnapshot | None = field(default=None, repr=False)
    _counted: int = -1
    _is_fresh: bool = False

    @property
    def tools(self) -> RunEnvironment:
        """The run's environment, which ``prepare_environment`` made. Raises Refused before."""
        if self.environment is None:
            raise Refused("the environment of the run is not prepared", field="run_id")
        return self.environment

    def head(self) -> str:
        """Return the commit that the run's branch is at: what completed phases made of the base."""
        run = self.run()
        return run.head_commit or run.base_commit

    def attempt(self, key: AttemptKey) -> AttemptRow:
        """Return the attempt as it is stored now."""
        return self.snapshot(key.phase_id).attempt(key)

    def builder_of(self, attempt: AttemptRow) -> Builder:
        """Return who builds an attempt, or built it."""
        return self.crew.builder_of(attempt.phase_id, attempt.model_level)

    def snapshot(self, phase_id: str | None = None) -> RunSnapshot:
        """Return what is stored of the run now, with the attempts of a phase where one is named."""
        seen = self._seen
        if seen is None or phase_id not in (None, seen.phase_id):
            seen = self.refresh(phase_id)
        return seen

    def refresh(self, phase_id: str | None = None) -> RunSnapshot:
        """Read what is stored of the run again; with the phase that comes next unless told."""
        counted = self.keeper.writes
        seen = RunSnapshot.read(self.db, self.run_id, lambda rows: phase_id or self._next(rows))
        self._seen, self._counted, self._is_fresh = seen, counted, True
        return seen

    def forget(self) -> None:
        """Read again what is asked for from now on: others may change it."""
        self._seen = None

    def latest(self) -> RunSnapshot:
        """A snapshot that was read since the last attempt began."""
        return self._seen if self._seen is not None and self._is_fresh else self.refresh()

    def fresh(self, phase_id: str) -> RunSnapshot:
        """A snapshot of the phase that was read since the last attempt began."""
        seen = self._seen
        if seen is None or not self._is_fresh or seen.phase_id != phase_id:
            seen = self.refresh(phase_id)
        self._is_fresh = False
        return seen

    def transact(self, fn: Callable[[Connection], T], changes: Collection[Part] = ALL) -> T:
        """Run ``fn`` in one write transaction, at whose end the snapshot is refreshed.

        ``changes`` are the parts of it that ``fn`` may have changed.
        """
        before, counted = self._seen, self.keeper.writes

        def write(conn: Connection) -> tuple[T, RunSnapshot | None]:
            result = fn(conn)
            return result, None if before is None else before.refreshed(conn, changes)

        try:
            result, self._seen = self.db.transact(write)
        except BaseException:
            self._seen = None  # nobody knows what is stored
            raise
        if Part.RUN in changes:
            self._counted = counted
        return result

    def _next(self, rows: Sequence[PhaseRow]) -> str | None:
        phase = next_phase(self.plan, rows)
        return None if phase is None else phase.id

    @property
    def recorder(self) -> BuildRecorder:
        """What records how the run's builds end."""
        return BuildRecorder(
            self.db,
            self.lease,
            self.builder_of,
            self.folder,
            self.redactor,
            transact=lambda fn: self.transact(fn, (Part.PHASES, Part.ATTEMPTS, Part.DECISIONS)),
        )

    @property
    def marks(self) -> dict[str, str]:
        """What everything that is started for the run carries in its environment."""
        return leftovers.run_marks(self.run_id, self.db.mark)

    def variables(self, key: AttemptKey) -> dict[str, str]:
        """Return the whole environment of what an attempt starts: the run's tools and the marks."""
        return {
            **self.tools.variables,
            **self.workspace.environment,
            **self.marks,
            **leftovers.marker_env(key),
        }

    def run(self) -> RunRow:
        """Return the run as it is stored now."""
        return self.snapshot().run

    def has(self, feature: Feature) -> bool:
        """Return whether the run has a feature on, and no kill switch has been thrown since."""
        return (
            feature.value in self.run().features
            and not kill_switches(process_environment())[feature]
        )

    def phase(self, phase_id: str) -> PhaseSpec:
        """Return what the plan says of a phase, in the words of its last replan if there
        was one.
        """
        spec = next(phase for phase in self.plan.phases if phase.id == phase_id)
        revised = self.snapshot().revised(phase_id)
        return spec.model_copy(update={"instructions": revised}) if revised else spec

    def levels(self, source: Database | Connection, phase: PhaseSpec) -> list[Level]:
        """Return the budgets that a build of the phase counts against, outermost first."""
        return budget_tree.levels(
            source,
            self.run_id,
            {phase.id: Limits(tokens=phase.budget.tokens, minutes=phase.budget.minutes)},
            uncounted_minutes=self.keeper.uncounted_seconds() / 60,
        )

    def exhausted(self, phase: PhaseSpec) -> Exhausted | None:
        """Return the first cap that leaves no room for another build."""
        return first_exhausted(self.levels(self.db, phase))

    def seconds_left(self, phase: PhaseSpec | None = None) -> float:
        """Return how long the next step may take under the run's cap on minutes, and a phase's."""
        # In this order: what is counted meanwhile is counted twice this once, not forgotten.
        uncounted = self.keeper.uncounted_seconds()
        is_current = self._seen is not None and self._counted == self.keeper.writes
        run = self.run() if is_current else get_run(self.db, self.run_id)
        left = max(run.minutes_cap * 60 - run.elapsed_seconds - uncounted, 0.001)
        if phase is None or phase.budget.minutes is None:
            return left
        return min(left, phase.budget.minutes * 60)


_held: dict[str, RunSession] = {}


def hold(session: RunSession) -> None:
    """Have the session found by its run's name in this process; stop it where all are stopped."""
    _held[session.run_id] = session
    if _stopping:
        session.switch.stop(*_stopping[0])


def let_go(session: RunSession) -> None:
    """Forget the session."""
    _held.pop(session.run_id, None)


def held(run_id: str) -> RunSession:
    """Return the session that this process holds for a run. Raises Refused when it holds none."""
    if run_id not in _held:
        raise Refused(
            f"this process does not hold run {run_id}",
            field="run_id",
            hint="phases are executed by execute_run",
        )
    return _held[run_id]


def waits_for(run_id: str) -> str | None:
    """Return what a run of this process waits for, in words; None when it waits for nothing."""
    session = _held.get(run_id)
    return session.waits_for if session else None


_stopping: list[tuple[StopReason, str]] = []


def stop_all(reason: StopReason, message: str) -> None:
    """Stop every run that this process holds or is just taking over."""
    _stopping.append((reason, message))
    for session in list(_held.values()):
        session.switch.stop(reason, message)


def is_stopping() -> bool:
    """Return whether this process was asked to stop, so that nothing new is begun."""
    return bool(_stopping)
