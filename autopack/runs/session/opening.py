"""Taking a run into this process, with all that a crashed holder left of it, and releasing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from sqlalchemy import Connection

from autopack.agents.crew import Crew
from autopack.clock import Clock
from autopack.environments.environment import environment_folder
from autopack.failpoints import Step, durable
from autopack.files.home_id import home_id
from autopack.ledger.recorder import Recorder
from autopack.model.commands import (
    Check,
)
from autopack.model.ids import process_mark
from autopack.model.states import RunState
from autopack.process import leftovers
from autopack.process.sandbox import Sandbox
from autopack.process.scratch import Scratch
from autopack.process.supervisor import Supervisor
from autopack.repair.doctor.doctor_endpoint import Endpoint
from autopack.repair.review.review_question import PROMPT_VERSION
from autopack.runs.crew_of_run import crew_of
from autopack.runs.prepare.take_fingerprint import take_fingerprint
from autopack.runs.run_folder import open_workspace
from autopack.runs.session.fenced_effects import fence_of
from autopack.runs.session.fetch import fetch_missing, with_whole_commit
from autopack.runs.session.lease_keeper import LeaseKeeper
from autopack.runs.session.reopen import reopen as reopen_run
from autopack.runs.session.session import FINAL, Entry, RunSession, hold, let_go
from autopack.runs.session.stop import StopReason, StopSwitch
from autopack.runs.session.takeover import recover
from autopack.runs.spools.late_usage import count_returned
from autopack.runs.spools.record_build import BuildRecorder
from autopack.runs.spools.redact_spools import note_secrets, redact_rest
from autopack.runs.stored_run import source_of, unfinished
from autopack.secrecy.credentials import known_secrets
from autopack.secrecy.memory import hide_memory
from autopack.secrecy.redaction import Redactor
from autopack.settings import Settings, process_environment
from autopack.store.database.engine import Database
from autopack.store.fingerprints import has_fingerprint, record_fingerprint
from autopack.store.folder_note import claim_folder
from autopack.store.installs import get_installs
from autopack.store.leases import Acquired, Holder, abandon, acquire, release
from autopack.store.runs import (
    RunRow,
    count_recovery,
    get_attempts,
    get_run,
    move_run,
    set_flow_run,
    set_toolchains,
)
from autopack.toolchains.detect import detect
from autopack.toolchains.toolchain import (
    Detected,
)
from autopack.workspace.content.staging import Bounds
from autopack.workspace.mirror import Mirror, run_refs
from autopack.workspace.workspace import Workspace


@dataclass(frozen=True)
class Given:
    """What a caller knows of a run that is not stored with it.

    ``builder_secrets`` are options of its builder. ``repo`` is this machine's clone of the run's
    repository, where that has another path here. ``doctor`` says where the doctor is reached, None
    leaves it to the environment. With ``reopen`` a run that ended for its environment continues.
    Without ``enters`` the run is not under way before `enter` is called.
    """

    flow_run_id: str | None = None
    builder_secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    repo: str | None = None
    doctor: Endpoint | None = None
    reopen: bool = False
    enters: bool = True


NOTHING_GIVEN = Given()


def open_session(
    run_id: str,
    *,
    db: Database,
    settings: Settings,
    clock: Clock,
    given: Given = NOTHING_GIVEN,
) -> RunSession:
    """Take the run over: lease, leftovers, unfinished attempts, workspace.

    Raises RunHeld when another process works on it, Refused when it is finished. A run whose
    holder crashed is left as it was when anything fails, so that it is resumed.
    """
    hide_memory()
    run = unfinished(db, run_id, reopen=given.reopen)
    secrets, doctor = given.builder_secrets, given.doctor
    crew = crew_of(db, run, secrets)
    crew.check()
    options = {name: str(value) for name, value in run.builder_options.items()}
    hidden = [*secrets.values(), *crew.hidden(), *([doctor.api_key] if doctor else [])]
    redactor = Redactor(known_secrets(process_environment(), options, hidden))
    source = source_of(run, given.repo)
    run_folder = claim_folder(settings.home, db, run_id)
    sandbox = Sandbox.of(
        process_environment(),
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
    keeper: LeaseKeeper | None = None
    try:
        keeper = LeaseKeeper(
            db_url=settings.database_url,
            lease=acquired.lease,
            seconds=settings.lease_seconds,
            clock=clock,
            switch=switch,
            supervisor=supervisor,
        )
        # Again, for until the lease was taken another holder may have worked on it.
        run = unfinished(db, run_id, reopen=given.reopen)
        fence = fence_of(db, acquired.lease, switch)
        fence.check()  # what works on the run is this holder's to end while nobody came after it
        _end_leftovers(db, run, acquired, run_folder)
        scratch.sweep()
        mirror = Mirror.open(settings.home, source, alias=(run_id, run_folder.name))
        mirror = mirror.fenced(fence)
        attempts = get_attempts(db, run_id)
        # Left by a run of this name that another database had, and whose folder is gone; or of
        # attempts that a database which was restored has forgotten.
        own = run_refs(run_folder.name)[: None if not attempts else 1]
        mirror.set_aside(*own, leaving={mirror.attempt_ref(one.key) for one in attempts})
        fetch_missing(mirror, source, run, attempts)
        Recorder(db, run_folder, run_id=run_id).ingest()
        count_returned(db, settings, environ=process_environment(), run_id=run_id)
        recorder = BuildRecorder(
            db,
            acquired.lease,
            lambda attempt: crew.builder_of(attempt.phase_id, attempt.model_level),
            run_folder,
            redactor,
        )
        recover(recorder, run=run, mirror=mirror, home=home_id(settings.home))
        redact_rest(db, run_id, run_folder, redactor)
        note_secrets(run_folder, redactor)
        bounds = Bounds(is_secret=redactor.is_key_in)
        workspace = replace(open_workspace(run_folder, mirror, acquired), bounds=bounds)
        session = RunSession(
            run_id=run_id,
            plan=crew.plan,
            crew=crew,
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
                configuration=crew.configuration() | _of_review(crew),
                now=clock.now(),
                environ=process_environment(),
            )
        )
        session.entry = Entry(fingerprint, acquired)
        if given.flow_run_id is not None and run.flow_run_id != given.flow_run_id:
            flow_run_id = given.flow_run_id
            db.transact(lambda conn: set_flow_run(conn, acquired.lease, flow_run_id))
        if given.enters:
            enter(session)
    except BaseException:
        if keeper is not None:
            keeper.close()
        if acquired.previous is None or acquired.was_released:
            release(db, acquired.lease)
        else:
            abandon(db, acquired.lease)
        raise
    hold(session)
    return session


def close_session(session: RunSession, *, release_lease: bool = True) -> None:
    """Let go of the run; whatever state it is in, another process may resume it from there.

    Without ``release_lease`` its lease expires, which asks for the run to be resumed; here, too,
    when the engine tries again.
    """
    let_go(session)
    session.forget()
    session.supervisor.end_all()
    session.keeper.close()
    stopped = session.switch.stopped
    if stopped is None or stopped.reason is not StopReason.LEASE_LOST:
        with durable(Step.LEASE_RELEASED):
            (release if release_lease else abandon)(session.db, session.lease)


def enter(session: RunSession) -> None:
    """Note that the run is under way, with which tools, and what it started from.

    Nothing happens where that was noted already.
    """
    entry, session.entry = session.entry, None
    if entry is not None:
        with durable(Step.RUN_ENTERED):
            session.db.transact(lambda conn: _enter(conn, session, entry))
        session.forget()


def _enter(conn: Connection, session: RunSession, entry: Entry) -> None:
    run = get_run(conn, session.run_id)
    acquired, fingerprint = entry.acquired, entry.fingerprint
    if acquired.previous is not None and not acquired.was_released:
        count_recovery(conn, session.lease)
    if fingerprint is not None:
        record_fingerprint(conn, session.lease, fingerprint)
    if run.state.is_final:
        reopen_run(conn, session.lease)
    elif run.state is not RunState.PHASE_EXECUTION:
        move_run(conn, session.lease, RunState.PHASE_EXECUTION)
    if run.toolchains is None:
        set_toolchains(conn, session.lease, [asdict(found) for found in session.toolchains])


def _of_review(crew: Crew) -> dict[str, str]:
    """Return what shapes reviews besides the plan."""
    return {} if crew.plan.policy.review == "off" else {"reviewer.question": PROMPT_VERSION}


def _toolchains(mirror: Mirror, workspace: Workspace, run: RunRow) -> tuple[Detected, ...]:
    """Return what the project is built with, as seen at the base commit before any phase changed
    it.
    """
    if run.toolchains is not None:
        return tuple(Detected.from_json(found) for found in run.toolchains)
    with_whole_commit(mirror, run, lambda: workspace.reset(run.base_commit))
    return detect(workspace.path)


def _end_leftovers(db: Database, run: RunRow, acquired: Acquired, run_folder: Path) -> None:
    """End what a crashed holder left running on this machine, its Prefect server included.

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
