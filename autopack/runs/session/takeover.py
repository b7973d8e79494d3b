"""After a crash: keep what was built, mark what was cut off, count what both had spent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from autopack.agents.protocol import Builder
from autopack.files.untrusted import remove_tree
from autopack.ledger.budget.reservations import settle_lost_calls
from autopack.model.causes import FailureCause
from autopack.model.states import AttemptState, PhaseState
from autopack.runs.commit_message import commit_message
from autopack.runs.run_folder import checkout_left_behind
from autopack.runs.spools.record_build import BuildRecorder
from autopack.runs.spools.snapshot import note_unrecorded, record_tree
from autopack.runs.spools.spool import BuildEnd, read_end, spool_folder
from autopack.runs.stored_run import plan_of
from autopack.store.database.engine import Database
from autopack.store.leases import Lease
from autopack.store.mitigations import get_revised
from autopack.store.runs import (
    AttemptRow,
    Ended,
    RunRow,
    finish_attempt,
    get_attempts,
    get_phases,
    move_phase,
    record_decision,
)
from autopack.workspace.content.staging import Bounds
from autopack.workspace.mirror import Mirror
from autopack.workspace.workspace import Workspace


def recover(recorder: BuildRecorder, *, run: RunRow, mirror: Mirror, home: str) -> None:
    """Close every attempt that a crashed holder left STARTED, and queue its phase again.

    A build that ended becomes BUILT, and its tree is committed where that had not been done: it is
    validated, not paid for again. Any other is INTERRUPTED, with its spend in the ledger when it
    was started from this ``home``. A BUILT one whose commit only another machine has is FAILED.
    """
    db, lease, redactor = recorder.db, recorder.lease, recorder.redactor
    db.transact(lambda conn: settle_lost_calls(conn, lease))
    attempts = get_attempts(db, lease.run_id)
    for attempt in attempts:
        if attempt.state is AttemptState.BUILT and not mirror.has(attempt.commit or ""):
            _give_up(db, lease, attempt)
        if attempt.state is not AttemptState.STARTED:
            continue
        end = _end_of(recorder.builder_of(attempt), spool_folder(recorder.run_folder, attempt.key))
        commit, unrecorded, problem = None, None, "the build was cut off"
        if end is not None:
            commit, unrecorded = _commit_of(recorder, run, attempt, mirror, end)
            problem = "the build ended, and its checkout is gone"
        if unrecorded is not None:
            note_unrecorded(recorder, attempt, redactor.text(unrecorded))
        if end is not None and commit is not None:
            changes = mirror.changed_paths(run.head_commit or run.base_commit, commit)
            changed = [change.path for change in changes]
            recorder.built(attempt, end, commit=commit, changed=changed)
        else:
            recorder.interrupted(
                attempt,
                spool_is_elsewhere=attempt.home not in (None, home),
                because=redactor.text(problem),
            )
    _queue_idle_phases(db, lease)


def _end_of(builder: Builder, spool: Path) -> BuildEnd | None:
    """Return how a build ended: as its holder noted, or as the program itself did, which may have
    worked to its end when its holder was dead."""
    end = read_end(spool)
    if end is None and (alone := builder.left_behind(spool)):
        result, checkout = alone
        end = BuildEnd.of(result, checkout)
    return end


def _commit_of(
    recorder: BuildRecorder, run: RunRow, attempt: AttemptRow, mirror: Mirror, end: BuildEnd
) -> tuple[str | None, str | None]:
    """Return the commit of a build that ended: the one of its ref, else one of what it left behind.

    None when that is gone; and why what it left cannot be recorded, if it cannot.
    """
    ref = mirror.attempt_ref(attempt.key)
    commit = mirror.read_ref(ref)
    checkout = checkout_left_behind(recorder.run_folder, end.checkout)
    if commit is not None or checkout is None:
        return commit, None
    private = Workspace.private_folder(mirror.git_dir, checkout / "recovered")
    message = commit_message(attempt, _instructions(recorder.db, run, attempt.phase_id))
    try:
        left = Workspace.left_behind(mirror, checkout, attempt.base_commit, private)
        snapshot, unrecorded = record_tree(
            replace(left, bounds=Bounds(is_secret=recorder.redactor.is_key_in)),
            parent=run.head_commit or run.base_commit,
            message=recorder.redactor.text(message),
            ref=ref,
        )
        return snapshot.commit, unrecorded
    finally:
        remove_tree(private)


def _instructions(db: Database, run: RunRow, phase_id: str) -> str:
    planned = next(phase for phase in plan_of(db, run).phases if phase.id == phase_id)
    return get_revised(db, run.run_id, phase_id) or planned.instructions


def _give_up(db: Database, lease: Lease, attempt: AttemptRow) -> None:
    message = f"commit {attempt.commit} was never pushed from the machine that made it"

    def write(conn: Connection) -> None:
        failed = Ended(
            state=AttemptState.FAILED,
            failure_cause=FailureCause.BUILDER_ERROR.value,
            failure_message=message,
        )
        finish_attempt(conn, lease, attempt.key, failed)
        record_decision(conn, lease, attempt.key, "interrupted", f"{message}; built again")

    db.transact(write)


def _queue_idle_phases(db: Database, lease: Lease) -> None:
    """A phase may be EXECUTING with no attempt open: its holder crashed between two of them."""

    def write(conn: Connection) -> None:
        built = {
            attempt.phase_id
            for attempt in get_attempts(conn, lease.run_id)
            if attempt.state is AttemptState.BUILT
        }
        for phase in get_phases(conn, lease.run_id):
            if phase.state is PhaseState.EXECUTING and phase.phase_id not in built:
                move_phase(conn, lease, phase.phase_id, PhaseState.QUEUED)

    db.transact(write)
