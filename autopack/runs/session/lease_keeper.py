"""Keeping a run: a thread that renews the lease, counts working time and sees cancel requests.

A thread with its own connection, since a blocking call would stop an asyncio heartbeat.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from autopack.clock import Clock
from autopack.model.errors import DatabaseRefused, LeaseLost
from autopack.process.supervisor import Supervisor
from autopack.runs.session.stop import StopReason, StopSwitch
from autopack.store.database.engine import Database
from autopack.store.leases import Lease, renew
from autopack.store.runs import add_elapsed, get_run

CANCEL_POLL_SECONDS = 1.0
_BUSY_SECONDS = 5.0
# The share of a lease for which renewing it may fail; the rest is for ending the children.
_PATIENCE = 2 / 3


class LeaseKeeper:
    """Holds one lease until ``close``; throws the switch when the run must stop.

    The lease is renewed every third of its length. When it cannot be renewed before it runs
    out, or was taken over, the children are ended first: two holders never work at once.
    """

    def __init__(
        self,
        *,
        db_url: str,
        lease: Lease,
        seconds: float,
        clock: Clock,
        switch: StopSwitch,
        supervisor: Supervisor,
    ) -> None:
        self._db = Database.open(
            db_url,
            clock=clock,
            check_schema=False,
            busy_seconds=_BUSY_SECONDS,
            outage_seconds=0.0,  # the keeper is patient itself, and must not miss the moment
        )
        self.lease = lease
        self._seconds = seconds
        self._clock = clock
        self._switch = switch
        self._supervisor = supervisor
        self._counted_at = clock.monotonic()
        self._idling = self._working = 0
        self._idle_since: float | None = None
        self.writes = 0
        """Rises when the run's working time is about to be written, and once it is."""
        self._counting = threading.Lock()
        # By the clock that goes on while the machine sleeps, for others do not wait for it.
        self._renewed_at = clock.uptime()
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._watch, name=f"lease-{lease.run_id}", daemon=True
        )
        self._thread.start()

    def uncounted_seconds(self) -> float:
        """Working time since it was last written to the run."""
        with self._counting:  # the end of an idle time moves both
            until = self._idle_since if self._idle_since is not None else self._clock.monotonic()
            return until - self._counted_at

    @contextmanager
    def idle(self) -> Generator[None]:
        """Time while the block is open is not working time, unless something works meanwhile."""
        with self._during(idling=1):
            yield

    @contextmanager
    def working(self) -> Generator[None]:
        """Time while the block is open is working time, whatever waits beside it."""
        with self._during(working=1):
            yield

    @contextmanager
    def _during(self, *, idling: int = 0, working: int = 0) -> Generator[None]:
        self._change(idling, working)
        try:
            yield
        finally:
            self._change(-idling, -working)

    def _change(self, idling: int, working: int) -> None:
        with self._counting:
            now = self._clock.monotonic()
            if self._idle_since is not None:
                self._counted_at += now - self._idle_since
            self._idling += idling
            self._working += working
            self._idle_since = now if self._idling and not self._working else None

    def excuse(self, seconds: float) -> None:
        """Take ``seconds`` that have passed out of the working time, also where it was written."""
        with self._counting:
            self._counted_at += seconds

    def close(self) -> None:
        """Stop watching; the working time so far is written, the lease is left as it is."""
        self._closing.set()
        self._thread.join()
        stopped = self._switch.stopped
        try:
            if stopped is None or stopped.reason is not StopReason.LEASE_LOST:
                self._count()
        except LeaseLost:
            # Taken over since the last look: the time is the new holder's to count.
            self._switch.stop(StopReason.LEASE_LOST, "the run was taken over")
        finally:
            self._db.close()

    def _watch(self) -> None:
        while not self._closing.wait(min(CANCEL_POLL_SECONDS, self._seconds / 3)):
            try:
                self._look()
            except DatabaseRefused as error:
                # The database may come back, but nothing may run on when the lease is over.
                if self._clock.uptime() - self._renewed_at >= self._seconds * _PATIENCE:
                    self._lose(f"the lease could not be renewed: {error.message}")
                    return
            except Exception as error:
                # Taken over, or a fault: nothing may run on under a lease that nobody renews.
                self._lose(str(error))
                return

    def _look(self) -> None:
        if self._clock.uptime() - self._renewed_at >= self._seconds / 3:
            at = self._clock.uptime()  # the lease counts from before it was written
            renew(self._db, self.lease, self._seconds)
            self._renewed_at = at
            self._count()
        if get_run(self._db, self.lease.run_id).cancel_requested_at is not None:
            self._switch.stop(StopReason.CANCELLED, "the run was cancelled")

    def _count(self) -> None:
        seconds = self.uncounted_seconds()
        self.writes += 1
        try:
            self._db.transact(lambda conn: add_elapsed(conn, self.lease, seconds))
            with self._counting:
                self._counted_at += seconds
        finally:
            self.writes += 1

    def _lose(self, message: str) -> None:
        self._supervisor.end_all()
        self._switch.stop(StopReason.LEASE_LOST, message)
