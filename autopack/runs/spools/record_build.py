"""Recording how a build ended and what it spent, in one transaction; then redacting its spool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
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
from autopack.store.leases import Lease, fence
from autopack.store.runs import (
    AttemptRow,
    Built,
    Ended,
    finish_attempt,
    finish_build,
    move_phase,
    record_decision,
)


@dataclass(frozen=True)
class BuildRecorder:
    """Records how the builds of a run end and what they spent, for the holder of ``lease``."""

    db: Database
    lease: Lease
    builder_of: Callable[[AttemptRow], Builder]
    run_folder: Path
    redactor: Redactor
    transact: Callable[[Callable[[Connection], None]], None] | None = None
    """How the holder writes; the database's own way unless given."""

    def built(
        self,
        attempt: AttemptRow,
        end: BuildEnd,
        *,
        commit: str,
        changed: Sequence[str],
        keep: Callable[[], None] | None = None,
    ) -> None:
        """The build ended and its tree is in ``commit``: the attempt is BUILT.

        That it failed or came to a limit is recorded too: its work is judged like any other, and
        what its checks say need not show it. ``keep`` points the attempt's ref at the commit, in
        the transaction that says so, while nobody can take the run over; it can be repeated.
        """
        spool = spool_folder(self.run_folder, attempt.key)
        builder = self.builder_of(attempt)
        spend = read_spend(builder, spool)
        cause = provider_failure(
            end,
            calls=len(spend.calls),
            has_provider=builder.provider(builder.model) is not None,
        )
        built = Built(
            commit=commit,
            build_status=end.status.value,
            exit_status=end.exit_status,
            summary=self.redactor.text(end.summary),
            changed_paths=[readable(path) for path in changed],
            ended_by=end.ended_by.value,
            http_status=told_status(end) if cause is not None else end.http_status,
            retry_after=end.retry_after,
            build_cause=None if cause is None else cause.value,
            conversation=None if end.conversation is None else asdict(end.conversation),
        )

        def write(conn: Connection) -> None:
            fence(conn, self.lease)
            if keep is not None:
                keep()
            self._record_spend(conn, attempt, spend)
            finish_build(conn, self.lease, attempt.key, built)
            if end.status is not BuildStatus.ENDED:
                self._decide(
                    conn, attempt, f"build_{end.status.value}", self.redactor.text(end.summary)
                )

        committed = nullcontext() if keep is None else durable(Step.ATTEMPT_COMMITTED)
        with committed, durable(Step.ATTEMPT_BUILT):
            self._transact(write)
        keep_unread(spend, spool)
        self.redactor.folder(spool)  # unmarked: its checks will print there

    def interrupted(
        self,
        attempt: AttemptRow,
        *,
        spool_is_elsewhere: bool = False,
        because: str = "the build was cut off",
    ) -> None:
        """The build was cut off: the attempt is INTERRUPTED and its phase waits for the next one.

        ``because`` says what is missing of it. Where its spool lies in another home, what it spent
        stays unreconciled until that comes back.
        """
        spool = spool_folder(self.run_folder, attempt.key)
        spend = None if spool_is_elsewhere else read_spend(self.builder_of(attempt), spool)
        reason = f"{because}; it is built again and does not count as an attempt"

        def write(conn: Connection) -> None:
            if spend is None:
                settle(conn, attempt.key)
            else:
                self._record_spend(conn, attempt, spend)
            interrupted = Ended(state=AttemptState.INTERRUPTED)
            finish_attempt(conn, self.lease, attempt.key, interrupted)
            self._decide(conn, attempt, "interrupted", reason)
            move_phase(conn, self.lease, attempt.phase_id, PhaseState.QUEUED)

        self._transact(write)
        if spend is not None:
            keep_unread(spend, spool)
        redact(self.db, attempt, spool, self.redactor)

    def late(self, attempt: AttemptRow) -> None:
        """Count what an attempt spent that its holder's successor closed; known calls stay.

        The ledger takes calls from anybody: they were paid for.
        """
        spend = read_spend(self.builder_of(attempt), spool_folder(self.run_folder, attempt.key))
        events = builder_events(spend.calls, attempt.key)
        closes = None if spend.problem else Intent(attempt.key)
        Recorder(self.db, self.run_folder).record(events, closes=closes)
        self.db.transact(lambda conn: settle(conn, attempt.key, again=True))

    def _transact(self, write: Callable[[Connection], None]) -> None:
        (self.transact or self.db.transact)(write)

    def _record_spend(self, conn: Connection, attempt: AttemptRow, spend: Spend) -> None:
        """Bring the calls that the spool tells of into the ledger; known ones are not added again.

        In the caller's transaction: an attempt never closes without its spend. Calls that the
        ledger refuses for what they say wait in the run's spool and hold the attempt up no longer.
        """
        events = builder_events(spend.calls, attempt.key, simulated=spend.simulated)
        closes = Intent(attempt.key) if spend.is_all else None
        Recorder(self.db, self.run_folder).record_in(conn, events, closes=closes)
        if not spend.is_all and not spend.may_come_back:
            # What else it used nobody knows: it stays a call without a figure.
            keep_open(conn, attempt.key, spend.exactness.value)
        if spend.problem:
            reason = f"what it spent is not all known: {spend.problem}"
            self._decide(conn, attempt, "unreconciled", reason)
        settle(conn, attempt.key)

    def note(self, attempt: AttemptRow, kind: str, reason: str) -> None:
        """Keep something about an attempt. Raises LeaseLost."""
        self._transact(lambda conn: self._decide(conn, attempt, kind, reason))

    def _decide(self, conn: Connection, attempt: AttemptRow, kind: str, reason: str) -> None:
        record_decision(conn, self.lease, attempt.key, kind, reason)


def readable(path: str) -> str:
    """A path as a database takes it: bytes that are not UTF-8 are written as ``\\xff``."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
