"""A run in the hands of this process: its lease, its plan, its workspace, its caps."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from sqlalchemy import Connection

from autopack.agents.protocol import Builder
from autopack.agents.registry import make_builder
from autopack.clock import Clock, SystemClock
from autopack.failpoints import Step, durable
from autopack.files.home_id import home_id
from autopack.ledger import budgets
from autopack.ledger.recorder import Recorder
from autopack.model.budget import (
    Exhausted,
    Level,
    Limits,
    first_exhausted,
)
from autopack.model.circuit import Admission
from autopack.model.commands import (
    Check,
)
from autopack.model.errors import Refused
from autopack.model.features import Feature, kill_switches
from autopack.model.fingerprint import Fingerprint
from autopack.model.ids import process_mark
from autopack.model.states import RunState
from autopack.plan.plan import PhaseSpec, Plan
from autopack.process import leftovers
from autopack.process.sandbox import Sandbox
from autopack.process.scratch import Scratch
from autopack.process.supervisor import Supervisor
from autopack.repair.doctor.doctor_endpoint import Endpoint
from autopack.repair.outage import Outage
from autopack.runs.prepare.take_fingerprint import take_fingerprint
from autopack.runs.run_folder import open_workspace
from autopack.runs.session.fenced_effects import fence_of
from autopack.runs.session.fetch import fetch_missing
from autopack.runs.session.lease_keeper import LeaseKeeper
from autopack.runs.session.reopen import reopen as reopen_run
from autopack.runs.session.stop import StopReason, StopSwitch
from autopack.runs.session.takeover import recover
from autopack.runs.spools.late_usage import count_returned
from autopack.runs.spools.redact_spools import note_secrets, redact_rest
from autopack.runs.stored_run import plan_of, source_of, unfinished
from autopack.secrecy.credentials import known_secrets
from autopack.secrecy.memory import hide_memory
from autopack.secrecy.redaction import Redactor
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.fingerprints import has_fingerprint, record_fingerprint
from autopack.store.folder_note import claim_folder
from autopack.store.installs import get_installs
from autopack.store.leases import Acquired, Holder, Lease, abandon, acquire, release
from autopack.store.mitigations import get_revised
from autopack.store.runs import (
    AttemptRow,
    Findings,
    RunRow,
    count_recovery,
    get_attempts,
    get_run,
    move_run,
    set_flow_run,
    set_toolchains,
)
from autopack.toolchains.detect import detect
from autopack.toolchains.environment import RunEnvironment, environment_folder
from autopack.toolchains.toolchain import (
    Detected,
)
from autopack.workspace.content.staging import Bounds
from autopack.workspace.mirror import Mirror, run_refs
from autopack.workspace.workspace import Workspace

FINAL = "final"
"""The folder of a run that has the fresh checkout and environment of the check at its end."""


@dataclass
class RunSession:
    """Everything that one process needs while it holds one run."""

    run_id: str
    plan: Plan
    builder: Builder
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
    findings: dict[tuple[str, int], Findings] = field(
        default_factory=dict[tuple[str, int], Findings]
    )
    """What judging an attempt showed besides its verdict, until that is stored."""
    waits_for: str | None = None
    """What the run waits for without which it cannot go on, in words."""
    clock: Clock = field(default_factory=SystemClock)
    outage: Outage = field(default_factory=Outage)
    """The trouble that this process has seen of the run's provider."""

    @property
    def tools(self) -> RunEnvironment:
        """The run's environment, which ``prepare_environment`` made. Raises Refused before."""
        if self.environment is None:
            raise Refused("the environment of the run is not prepared", field="run_id")
        return self.environment

    def head(self) -> str:
        """The commit that the run's branch is at: what completed phases made of the base."""
        run = self.run()
        return run.head_commit or run.base_commit

    def attempt(self, phase_id: str, number: int) -> AttemptRow:
        """The attempt as it is stored now."""
        attempts = get_attempts(self.db, self.run_id, phase_id)
        return next(attempt for attempt in attempts if attempt.attempt == number)

    @property
    def marks(self) -> dict[str, str]:
        """What everything that is started for the run carries in its environment."""
        return leftovers.run_marks(self.run_id, self.db.mark)

    def variables(self, phase_id: str, attempt: int) -> dict[str, str]:
        """The whole environment of what an attempt starts: the run's tools and the marks."""
        return {
            **self.tools.variables,
            **self.workspace.environment,
            **self.marks,
            **leftovers.marker_env(self.run_id, phase_id, attempt),
        }

    def run(self) -> RunRow:
        """The run as it is stored now."""
        return get_run(self.db, self.run_id)

    def has(self, feature: Feature) -> bool:
        """Whether the run has a feature on, and no kill switch has been thrown since."""
        return feature.value in self.run().features and not kill_switches(os.environ)[feature]

    def phase(self, phase_id: str) -> PhaseSpec:
        """What the plan says of a phase, in the words of its last replan if there was one."""
        spec = next(phase for phase in self.plan.phases if phase.id == phase_id)
        revised = get_revised(self.db, self.run_id, phase_id)
        return spec.model_copy(update={"instructions": revised}) if revised else spec

    def levels(self, source: Database | Connection, phase: PhaseSpec) -> list[Level]:
        """The budgets that a build of the phase counts against, outermost first."""
        return budgets.levels(
            source,
            self.run_id,
            {phase.id: Limits(tokens=phase.budget.tokens, minutes=phase.budget.minutes)},
            uncounted_minutes=self.keeper.uncounted_seconds() / 60,
        )

    def exhausted(self, phase: PhaseSpec) -> Exhausted | None:
        """The first cap that leaves no room for another build."""
        return first_exhausted(self.levels(self.db, phase))

    def seconds_left(self, phase: PhaseSpec | None = None) -> float:
        """How long the next step may take under the run's cap on minutes, and a phase's."""
        # In this order: what is counted meanwhile is counted twice this once, not forgotten.
        uncounted = self.keeper.uncounted_seconds()
        run = self.run()
        left = max(run.minutes_cap * 60 - run.elapsed_seconds - uncounted, 0.001)
        if phase is None or phase.budget.minutes is None:
            return left
        return min(left, phase.budget.minutes * 60)


_held: dict[str, RunSession] = {}


def held(run_id: str) -> RunSession:
    """The session that this process holds for a run. Raises Refused when it holds none."""
    if run_id not in _held:
        raise Refused(
            f"this process does not hold run {run_id}",
            field="run_id",
            hint="phases are executed by execute_run",
        )
    return _held[run_id]


def waits_for(run_id: str) -> str | None:
    """What a run of this process waits for, in words; None when it waits for nothing."""
    session = _held.get(run_id)
    return session.waits_for if session else None


_stopping: list[tuple[StopReason, str]] = []


def stop_all(reason: StopReason, message: str) -> None:
    """Stop every run that this process holds or is just taking over."""
    _stopping.append((reason, message))
    for session in list(_held.values()):
        session.switch.stop(reason, message)


def is_stopping() -> bool:
    """Whether this process was asked to stop, so that nothing new is begun."""
    return bool(_stopping)


def open_session(
    run_id: str,
    *,
    db: Database,
    settings: Settings,
    clock: Clock,
    flow_run_id: str | None = None,
    builder_secrets: Mapping[str, str] | None = None,
    repo: str | None = None,
    doctor: Endpoint | None = None,
    reopen: bool = False,
) -> RunSession:
    """Take the run over: lease, leftovers, unfinished attempts, workspace.

    ``builder_secrets`` are the builder's options that are not stored with the run. ``repo`` is
    this machine's clone of the run's repository, where that has another path here. ``doctor``
    says where the doctor is reached, None leaves it to the environment. With ``reopen`` a run that
    ended for its environment continues.

    Raises RunHeld when another process works on it, Refused when it is finished. A run whose
    holder died is left as dead as it was when anything fails, so that it is resumed.
    """
    hide_memory()
    run = unfinished(db, run_id, reopen=reopen)
    plan = plan_of(db, run)
    secrets = builder_secrets or {}
    builder = make_builder(run.builder, run.builder_options, model=run.model, secrets=secrets)
    builder.check(plan)
    options = {name: str(value) for name, value in run.builder_options.items()}
    hidden = [*secrets.values(), *([doctor.api_key] if doctor else [])]
    redactor = Redactor(known_secrets(os.environ, options, hidden))
    source = source_of(run, repo)
    run_folder = claim_folder(settings.home, db, run_id)
    sandbox = Sandbox.of(
        os.environ,
        home=settings.home,
        readable=[
            Mirror.folder(settings.home, source),
            environment_folder(run_folder),
            environment_folder(run_folder / FINAL),
        ],
    )
    with durable(Step.LEASE_TAKEN):
        acquired = acquire(db, run_id, Holder.of_this_process(), settings.lease_seconds)
    scratch = Scratch.of(run_folder)
    switch, supervisor = StopSwitch(), Supervisor(sandbox=sandbox, scratch=scratch)
    keeper = LeaseKeeper(
        db_url=settings.database_url,
        lease=acquired.lease,
        seconds=settings.lease_seconds,
        clock=clock,
        switch=switch,
        supervisor=supervisor,
    )
    try:
        # Again, for until the lease was taken another holder may have worked on it.
        run = unfinished(db, run_id, reopen=reopen)
        fence = fence_of(db, acquired.lease, switch)
        fence.check()  # what works on the run is this holder's to end while nobody came after it
        _end_leftovers(db, run, acquired, run_folder)
        scratch.sweep()
        mirror = Mirror.open(settings.home, source, alias=(run_id, run_folder.name))
        mirror = mirror.fenced(fence)
        attempts = get_attempts(db, run_id)
        if not attempts:
            # Left by a run of this name that another database had, and whose folder is gone.
            mirror.set_aside(*run_refs(run_folder.name))
        fetch_missing(mirror, source, run, attempts)
        Recorder(db, run_folder, run_id=run_id).ingest()
        count_returned(db, settings, environ=os.environ, run_id=run_id)
        recover(
            db,
            acquired.lease,
            run=run,
            builder=builder,
            mirror=mirror,
            run_folder=run_folder,
            redactor=redactor,
            home=home_id(settings.home),
        )
        redact_rest(db, run_id, run_folder, redactor)
        note_secrets(run_folder, redactor)
        bounds = Bounds(is_secret=redactor.is_key_in)
        workspace = replace(open_workspace(run_folder, mirror, run, acquired), bounds=bounds)
        session = RunSession(
            run_id=run_id,
            plan=plan,
            builder=builder,
            db=db,
            settings=settings,
            lease=acquired.lease,
            keeper=keeper,
            switch=switch,
            supervisor=supervisor,
            mirror=mirror,
            workspace=workspace,
            toolchains=_toolchains(mirror, workspace, run),
            redactor=redactor,
            folder=run_folder,
            doctor=doctor,
            installs=[Check(step.path, step.argv) for step in get_installs(db, run_id)],
            clock=clock,
        )
        fingerprint = (
            None
            if has_fingerprint(db, run_id)
            else take_fingerprint(
                run,
                source=source,
                mirror=mirror,
                toolchains=session.toolchains,
                now=clock.now(),
                environ=os.environ,
            )
        )
        with durable(Step.RUN_ENTERED):
            db.transact(lambda conn: _enter(conn, session, flow_run_id, fingerprint, acquired))
    except BaseException:
        keeper.close()
        if acquired.previous is None or acquired.was_released:
            release(db, acquired.lease)
        else:
            abandon(db, acquired.lease)
        raise
    _held[run_id] = session
    if _stopping:
        switch.stop(*_stopping[0])
    return session


def close_session(session: RunSession, *, give_back: bool = True) -> None:
    """Let go of the run; whatever state it is in, another process may go on from there.

    Without ``give_back`` its lease expires, which asks for the run to be resumed; here, too, when
    the engine tries again.
    """
    _held.pop(session.run_id, None)
    session.supervisor.end_all()
    session.keeper.close()
    stopped = session.switch.stopped
    if stopped is None or stopped.reason is not StopReason.LEASE_LOST:
        with durable(Step.LEASE_RELEASED):
            (release if give_back else abandon)(session.db, session.lease)


def _enter(
    conn: Connection,
    session: RunSession,
    flow_run_id: str | None,
    fingerprint: Fingerprint | None,
    acquired: Acquired,
) -> None:
    """Note that the run is under way, where, with which tools, and what it started from."""
    run = get_run(conn, session.run_id)
    if acquired.previous is not None and not acquired.was_released:
        count_recovery(conn, session.lease)
    if fingerprint is not None:
        record_fingerprint(conn, session.lease, fingerprint)
    if run.state.is_final:
        reopen_run(conn, session.lease)
    elif run.state is not RunState.PHASE_EXECUTION:
        move_run(conn, session.lease, RunState.PHASE_EXECUTION)
    if flow_run_id is not None and run.flow_run_id != flow_run_id:
        set_flow_run(conn, session.lease, flow_run_id)
    if run.toolchains is None:
        set_toolchains(conn, session.lease, [asdict(found) for found in session.toolchains])


def _toolchains(mirror: Mirror, workspace: Workspace, run: RunRow) -> tuple[Detected, ...]:
    """What the project is built with, as seen at the base commit before any phase changed it."""
    if run.toolchains is not None:
        return tuple(Detected.from_json(found) for found in run.toolchains)
    workspace.reset(run.base_commit)
    return detect(workspace.path)


def _end_leftovers(db: Database, run: RunRow, acquired: Acquired, run_folder: Path) -> None:
    """End what a dead holder left running on this machine, its Prefect server included.

    Programs that have no mark any more are known by the run's folder, which they work in.
    """
    found = leftovers.find(**leftovers.run_marks(run.run_id, db.mark))
    if run.database_id is None:  # it may have been begun by a version that marked otherwise
        found += leftovers.find(**leftovers.run_marks(run.run_id, db.address))
    previous = acquired.previous
    # Never by this process's own mark: everything that it has started lives under that.
    if previous is not None and previous.is_gone() and previous.mark != process_mark():
        found += leftovers.find(AUTOPACK_HOLDER=previous.mark)
    found += leftovers.orphans_in(run_folder)
    # Agents among them are killed at once: in time to end by itself one would spend more.
    agents = [process for process in found if leftovers.is_of_attempt(process)]
    leftovers.end(agents, grace=0.0)
    leftovers.end(found)
