"""The end of a run: its branch published, its state final, its checkouts gone."""

from __future__ import annotations

import time

from sqlalchemy import Connection

from autopack.clock import Clock
from autopack.failpoints import Step, durable
from autopack.ledger.budget.reservations import settle, settle_lost_calls
from autopack.model.errors import (
    BadInput,
    GitFailed,
    Refused,
    RepositoryError,
    RunHeld,
)
from autopack.model.states import AttemptState, PhaseState, RunState
from autopack.runs.finish.push import push_at_the_end
from autopack.runs.run_folder import remove_workspace
from autopack.runs.session.opening import (
    close_session,
    open_session,
)
from autopack.runs.session.session import (
    RunSession,
)
from autopack.runs.spools.conversations import forget_conversations
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.endings import forget_ending, note_ending, noted_ending
from autopack.store.leases import Holder, Lease, acquire, release
from autopack.store.runs import (
    Ended,
    finish_attempt,
    get_attempts,
    get_phases,
    get_run,
    move_phase,
    move_run,
    request_cancel,
)

_CANCEL_SECONDS = 30.0
_TRIES = 3


def finish(session: RunSession, state: RunState, reason: str | None = None) -> None:
    """Publish what the run completed and close it.

    What is decided is noted first: a takeover before it is closed carries that
    out, as `decided_ending` says. Work that cannot be published or pushed is not lost (it stays in
    Autopack's own clone), but somebody has to look: such a run does not end in success. Raises
    LeaseLost, with nothing delivered that its successor would not deliver.
    """
    run = session.run()
    with durable(Step.ENDING_NOTED):
        head = session.transact(
            lambda conn: note_ending(conn, session.lease, state, reason)
        ).head_commit
    if head is not None:
        try:
            session.mirror.publish(session.run_id, head)
        except (GitFailed, RepositoryError) as error:
            if state is RunState.DONE_SUCCESS:
                state = RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW
                reason = f"branch {run.branch} was not published: {error.message}"
    error = push_at_the_end(session, tries=_TRIES if state is RunState.DONE_SUCCESS else 1)
    if error is not None and state is RunState.DONE_SUCCESS:
        state = RunState.DONE_FAILED_REQUIRES_HUMAN_REVIEW
        reason = f"branch {run.branch} was not pushed to {run.push}: {error}"
    with durable(Step.RUN_CLOSED):
        session.transact(lambda conn: _close(conn, session.lease, state, reason))
    # Only now is nobody else at work there; after a crash here, reconciling cleans up.
    forget_conversations(session.folder)
    with durable(Step.CHECKOUT_REMOVED):
        remove_workspace(session.folder, session.workspace, session.mirror.fence)


def decided_ending(session: RunSession) -> tuple[RunState, str | None] | None:
    """Return where the run ends by the word of a holder that crashed before it closed it; None when
    none had decided."""
    noted = noted_ending(session.db, session.run_id)
    return None if noted is None else (noted.state, noted.reason)


def _close(conn: Connection, lease: Lease, state: RunState, reason: str | None) -> None:
    """Move the run to its end; a phase that was under way goes back to the queue."""
    for phase in get_phases(conn, lease.run_id):
        if phase.state is PhaseState.EXECUTING:
            move_phase(conn, lease, phase.phase_id, PhaseState.QUEUED)
    settle_lost_calls(conn, lease)
    move_run(conn, lease, state, reason=reason)
    forget_ending(conn, lease)


def cancel(run_id: str, *, db: Database, settings: Settings, clock: Clock) -> None:
    """End a run DONE_CANCELLED, wherever it is, and return when it is.

    A holder sees the request within a second and closes the run itself; a run that nobody holds
    is taken over and closed here, also when its repository or recording is gone. Raises Refused
    when the holder does not answer.
    """
    request_cancel(db, run_id)
    deadline = clock.monotonic() + _CANCEL_SECONDS
    while clock.monotonic() < deadline:
        if get_run(db, run_id).state.is_final:
            return
        try:
            end_abandoned(
                run_id,
                RunState.DONE_CANCELLED,
                "cancelled before it was finished",
                db=db,
                settings=settings,
                clock=clock,
            )
        except RunHeld:
            time.sleep(0.25)
        except Refused:
            # Its holder may have closed it between the look and the attempt to take it.
            if not get_run(db, run_id).state.is_final:
                raise
    raise Refused(
        f"run {run_id} was asked to stop, but its holder has not answered yet",
        field="run_id",
        hint=f"look again with `autopack show {run_id}`",
    )


def end_abandoned(
    run_id: str,
    state: RunState,
    reason: str,
    *,
    db: Database,
    settings: Settings,
    clock: Clock,
) -> None:
    """Take a run that nobody holds, and end it; what its last holder spent is counted.

    One whose holder had decided on another ending gets that. Also when its repository, remote or
    recording is gone, or the disk full. Raises RunHeld, and Refused when it has ended.
    """
    try:
        session = open_session(run_id, db=db, settings=settings, clock=clock)
    except (BadInput, GitFailed) as unusable:
        _close_unopened(run_id, db, settings, state, f"{reason}; {unusable.message}")
        return
    except OSError as unusable:
        _close_unopened(run_id, db, settings, state, f"{reason}; {unusable}")
        return
    try:
        finish(session, *(decided_ending(session) or (state, reason)))
    finally:
        close_session(session)


def _close_unopened(
    run_id: str, db: Database, settings: Settings, state: RunState, reason: str
) -> None:
    """End a run that cannot be opened any more; what its last build spent stays unreconciled."""
    lease = acquire(db, run_id, Holder.of_this_process(), settings.lease_seconds).lease

    def write(conn: Connection) -> None:
        for attempt in get_attempts(conn, run_id):
            if attempt.state is AttemptState.STARTED:
                interrupted = Ended(state=AttemptState.INTERRUPTED)
                finish_attempt(conn, lease, attempt.key, interrupted)
                settle(conn, attempt.key)
        _close(conn, lease, state, reason)

    try:
        db.transact(write)
    finally:
        release(db, lease)
