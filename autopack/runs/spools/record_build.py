"""Recording how a build ended and what it spent, in one transaction; then redacting its spool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from autopack.agents.protocol import Builder, BuildStatus
from autopack.failpoints import Step, durable
from autopack.ledger.budget.reservations import settle
from autopack.ledger.events.build_events import builder_events
from autopack.ledger.recorder import Intent, Recorder
from autopack.model.states import AttemptState, PhaseState
from autopack.repair.classify.provider_trouble import provider_failure, told_status
from autopack.runs.spools.redact_spools import redact
from autopack.runs.spools.spool import BuildEnd, spool_folder
from autopack.runs.spools.spool_spend import Spend, keep_unread, read_spend
from autopack.secrecy.redaction import Redactor
from autopack.store.database.engine import Database
from autopack.store.intents import (
    keep_open,
)
from autopack.store.leases import Lease
from autopack.store.runs import (
    AttemptRow,
    finish_attempt,
    finish_build,
    move_phase,
    record_decision,
)


def close_built(
    db: Database,
    lease: Lease,
    attempt: AttemptRow,
    *,
    builder: Builder,
    run_folder: Path,
    redactor: Redactor,
    end: BuildEnd,
    commit: str,
    changed: Sequence[str],
) -> None:
    """The build ended and its tree is in ``commit``: the attempt is BUILT.

    That it failed or came to a limit is recorded too: its work is judged like any other, and what
    its checks say need not show it.
    """
    recorder = Recorder(db, run_folder)
    spool = spool_folder(run_folder, attempt.phase_id, attempt.attempt)
    spend = read_spend(builder, spool)
    cause = provider_failure(
        end,
        calls=len(spend.calls),
        has_provider=builder.provider(builder.model) is not None,
    )

    def write(conn: Connection) -> None:
        _record_spend(recorder, conn, lease, attempt, spend)
        finish_build(
            conn,
            lease,
            attempt.phase_id,
            attempt.attempt,
            commit=commit,
            build_status=end.status.value,
            exit_status=end.exit_status,
            summary=redactor.text(end.summary),
            changed_paths=[readable(path) for path in changed],
            ended_by=end.ended_by.value,
            http_status=told_status(end) if cause is not None else end.http_status,
            retry_after=end.retry_after,
            build_cause=None if cause is None else cause.value,
        )
        if end.status is not BuildStatus.ENDED:
            record_decision(
                conn,
                lease,
                attempt.phase_id,
                attempt.attempt,
                f"build_{end.status.value}",
                redactor.text(end.summary),
            )

    with durable(Step.ATTEMPT_BUILT):
        db.transact(write)
    keep_unread(spend, spool)
    redactor.folder(spool)  # unmarked: its checks will print there


def close_interrupted(
    db: Database,
    lease: Lease,
    attempt: AttemptRow,
    *,
    builder: Builder,
    run_folder: Path,
    redactor: Redactor,
    spool_is_elsewhere: bool = False,
    because: str = "the build was cut off",
) -> None:
    """The build was cut off: the attempt is INTERRUPTED and its phase waits for the next one.

    ``because`` says what is missing of it. Where its spool lies in another home, what it spent
    stays unreconciled until that comes back.
    """
    recorder = Recorder(db, run_folder)
    spool = spool_folder(run_folder, attempt.phase_id, attempt.attempt)
    spend = None if spool_is_elsewhere else read_spend(builder, spool)

    def write(conn: Connection) -> None:
        if spend is None:
            settle(conn, attempt.run_id, attempt.phase_id, attempt.attempt)
        else:
            _record_spend(recorder, conn, lease, attempt, spend)
        finish_attempt(
            conn, lease, attempt.phase_id, attempt.attempt, state=AttemptState.INTERRUPTED
        )
        record_decision(
            conn,
            lease,
            attempt.phase_id,
            attempt.attempt,
            "interrupted",
            f"{because}; it is built again and does not count as an attempt",
        )
        move_phase(conn, lease, attempt.phase_id, PhaseState.QUEUED)

    db.transact(write)
    if spend is not None:
        keep_unread(spend, spool)
    redact(db, attempt, spool, redactor)


def record_late(db: Database, attempt: AttemptRow, *, builder: Builder, run_folder: Path) -> None:
    """Count what an attempt spent that its holder's successor closed; known calls stay as they are.

    The ledger takes calls from anybody: they were paid for.
    """
    spend = read_spend(builder, spool_folder(run_folder, attempt.phase_id, attempt.attempt))
    events = builder_events(
        spend.calls,
        run_id=attempt.run_id,
        phase_id=attempt.phase_id,
        attempt=attempt.attempt,
    )
    intent = Intent(attempt.run_id, attempt.phase_id, attempt.attempt)
    Recorder(db, run_folder).record(events, closes=None if spend.problem else intent)
    db.transact(
        lambda conn: settle(conn, attempt.run_id, attempt.phase_id, attempt.attempt, again=True)
    )


def readable(path: str) -> str:
    """A path as a database takes it: bytes that are not UTF-8 are written as ``\\xff``."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _record_spend(
    recorder: Recorder, conn: Connection, lease: Lease, attempt: AttemptRow, spend: Spend
) -> None:
    """Bring the calls that the spool tells of into the ledger; known ones are not added again.

    In the caller's transaction: an attempt never closes without its spend. Calls that the ledger
    refuses for what they say wait in the run's spool and hold the attempt up no longer.
    """
    events = builder_events(
        spend.calls,
        run_id=attempt.run_id,
        phase_id=attempt.phase_id,
        attempt=attempt.attempt,
        simulated=spend.simulated,
    )
    intent = Intent(attempt.run_id, attempt.phase_id, attempt.attempt)
    recorder.record_in(conn, events, closes=intent if spend.is_all else None)
    if not spend.is_all and not spend.may_come_back:
        # What else it used nobody knows: it stays a call without a figure.
        told = spend.exactness.value
        keep_open(conn, attempt.run_id, attempt.phase_id, attempt.attempt, told)
    if spend.problem:
        record_decision(
            conn,
            lease,
            attempt.phase_id,
            attempt.attempt,
            "unreconciled",
            f"what it spent is not all known: {spend.problem}",
        )
    settle(conn, attempt.run_id, attempt.phase_id, attempt.attempt)
