"""Who works on a run: one holder at a time, and writes of an earlier holder are refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from autopack.model.errors import LeaseLost, NotFound, RunHeld
from autopack.model.states import RunState
from autopack.store.database.engine import Database, insert_new, now, reading
from autopack.store.expiry import Moment, lasting
from autopack.store.holders import Holder
from autopack.store.keys import named_run, run_named
from autopack.store.reading import Source
from autopack.store.tables import leases, runs

__all__ = [
    "Acquired",
    "Holder",
    "Lease",
    "abandon",
    "abandoned_runs",
    "acquire",
    "fence",
    "holder_of",
    "intend",
    "release",
    "renew",
    "token_of",
]

_UNDER_WAY = (RunState.RUN_CREATED, RunState.PHASE_EXECUTION)
_UNTAKEN = timedelta(seconds=450)
"""How long a run may wait for its first holder when nobody knows who stored it: ten leases."""

_TOKEN = sa.select(leases.c.token).where(named_run(leases))
_CURRENT = _TOKEN.where(
    leases.c.token == sa.bindparam("of_token"), leases.c.expires_at.is_not(None)
)
_LOCK = _CURRENT.with_for_update()

_INTENDED = 0
"""The token of a run that was stored and never taken."""


@dataclass(frozen=True)
class Lease:
    """The right to write a run's state until ``expires_at``, and after it until someone takes over.

    ``token`` rises by one with every holder of the run.
    """

    run_id: str
    token: int
    holder: Holder
    expires_at: datetime


@dataclass(frozen=True)
class Acquired:
    """A lease just taken, and who had it before.

    ``previous`` is None when nobody ever had; ``was_released`` says whether the previous holder
    released it, else it crashed or fell silent and may have left things behind.
    """

    lease: Lease
    previous: Holder | None
    was_released: bool


def acquire(db: Database, run_id: str, holder: Holder, seconds: float) -> Acquired:
    """Take the run for ``holder``: when it is free, expired, or its holder is provably gone.

    Raises RunHeld naming the holder, NotFound when there is no such run.
    """

    def take(conn: sa.Connection) -> Acquired:
        if conn.scalar(sa.select(runs.c.run_id).where(runs.c.run_id == run_id)) is None:
            raise NotFound(f"there is no run {run_id!r}", field="run_id", hint="autopack runs")
        conn.execute(insert_new(conn, leases).values(run_id=run_id, token=0))
        # Of several at once, the others wait here and then see the winner's lease.
        row = conn.execute(
            sa.select(leases).where(leases.c.run_id == run_id).with_for_update()
        ).one()
        # A process that only intends to see it executed does not hold it.
        former = row.holder if row.token > _INTENDED else None
        previous = None if former is None else Holder.from_json(former)
        if (
            previous
            and row.expires_at
            and not Moment(conn).is_past(row.expires_at, row.uptime)
            and not previous.is_gone()
        ):
            raise RunHeld(
                f"run {run_id} is held by {previous.describe()},"
                f" its lease expires at {row.expires_at:%H:%M:%S} UTC",
                field="run_id",
                hint="wait for it, or stop it with `autopack cancel`",
            )
        until = lasting(conn, seconds)
        lease = Lease(run_id, row.token + 1, holder, until["expires_at"])
        conn.execute(
            sa.update(leases)
            .where(leases.c.run_id == run_id)
            .values(token=lease.token, holder=holder.to_json(), **until)
        )
        return Acquired(lease, previous, was_released=bool(previous) and row.expires_at is None)

    return db.transact(take)


def intend(conn: sa.Connection, run_id: str, holder: Holder, seconds: float) -> None:
    """Note who sees to it that a new run is taken, and does not hold it: anybody may take it."""
    until = lasting(conn, seconds)
    conn.execute(
        insert_new(conn, leases).values(
            run_id=run_id, token=_INTENDED, holder=holder.to_json(), **until
        )
    )


def renew(db: Database, lease: Lease, seconds: float) -> Lease:
    """Hold the run for ``seconds`` from now. Raises LeaseLost when another took it over."""

    def extend(conn: sa.Connection) -> Lease:
        until = lasting(conn, seconds)
        updated = conn.execute(
            sa.update(leases).where(_is_current(lease)).values(until).returning(leases.c.run_id)
        ).first()
        if updated is None:
            raise _lost(lease)
        return replace(lease, expires_at=until["expires_at"])

    return db.transact(extend)


def release(db: Database, lease: Lease) -> None:
    """Release the lease; nothing happens when it was released or taken over before."""
    db.transact(
        lambda conn: conn.execute(
            sa.update(leases).where(_is_current(lease)).values(expires_at=None)
        )
    )


def abandon(db: Database, lease: Lease) -> None:
    """Let the lease expire now, which asks for the run to be resumed; else like `release`."""
    db.transact(
        lambda conn: conn.execute(
            sa.update(leases).where(_is_current(lease)).values(lasting(conn, 0))
        )
    )


def fence(conn: sa.Connection, lease: Lease) -> None:
    """Raise LeaseLost unless ``lease`` is the run's current one.

    To be called in the write transaction it protects: until that ends, nobody can take over, so
    that it is asked once a transaction, however many writes of it are fenced.
    A lease that expired but was not taken over is still current.
    """
    transaction, held = conn.get_transaction(), (lease.run_id, lease.token)
    if transaction is not None and _fenced.get(transaction) == held:
        return
    if conn.execute(_LOCK, _named(lease)).first() is None:
        raise _lost(lease)
    # A savepoint that is rolled back lets go of what was locked since.
    if isinstance(transaction, sa.RootTransaction) and not conn.in_nested_transaction():
        _fenced[transaction] = held


def check_current(conn: sa.Connection, lease: Lease) -> None:
    """Raise LeaseLost unless ``lease`` is the run's current one; keep nobody from taking it."""
    if conn.execute(_CURRENT, _named(lease)).first() is None:
        raise _lost(lease)


_fenced: WeakKeyDictionary[sa.RootTransaction, tuple[str, int]] = WeakKeyDictionary()
"""The lease that a transaction has locked."""


def holder_of(db: Database, run_id: str) -> Holder | None:
    """Return who holds the run by a lease that has not expired; None when nobody does."""
    with db.read() as conn:
        row = conn.execute(
            sa.select(leases).where(
                leases.c.run_id == run_id,
                leases.c.token > _INTENDED,
                leases.c.expires_at.is_not(None),
            )
        ).first()
        if row is None or Moment(conn).is_past(row.expires_at, row.uptime):
            return None
    return Holder.from_json(row.holder)


def held_runs(db: Database) -> list[str]:
    """The runs that somebody holds by a lease that has not expired, and is not known to be gone."""
    query = sa.select(leases.c.run_id).where(
        leases.c.token > _INTENDED, leases.c.expires_at.is_not(None)
    )
    with db.read() as conn:
        taken = list(conn.scalars(query.order_by(leases.c.run_id)))
    holders = ((run_id, holder_of(db, run_id)) for run_id in taken)
    return [run_id for run_id, holder in holders if holder is not None and not holder.is_gone()]


def abandoned_runs(db: Database) -> list[str]:
    """Runs whose holder is provably gone, or let the lease expire: it crashed or cannot reach the
    database. And new ones that nobody will take: who stored them is gone, or silent too long.
    """
    query = (
        sa.select(runs.c.run_id, runs.c.created_at, leases)
        .outerjoin(leases, leases.c.run_id == runs.c.run_id)
        .where(
            runs.c.state.in_(_UNDER_WAY),
            leases.c.expires_at.is_not(None)
            # The runs of a campaign are started by it, and by it again where it crashed.
            | (leases.c.run_id.is_(None) & runs.c.campaign_id.is_(None)),
        )
        .order_by(runs.c.created_at, runs.c.run_id)
    )
    with db.read() as conn:
        moment, at = Moment(conn), now(conn)
        found = conn.execute(query).all()
    return [row.run_id for row in found if _is_abandoned(row, moment, at)]


def _is_abandoned(row: sa.Row[Any], moment: Moment, at: datetime) -> bool:
    if row.token is None:
        return row.created_at <= at - _UNTAKEN
    holder, is_past = Holder.from_json(row.holder), moment.is_past(row.expires_at, row.uptime)
    if row.token == _INTENDED and holder.is_known_here():
        return holder.is_gone()  # a fleet's run may wait for its turn for days
    return is_past or holder.is_gone()


def token_of(source: Source, run_id: str) -> int:
    """Return how many holders the run has had; 0 before the first."""
    with reading(source) as conn:
        return conn.scalar(_TOKEN, run_named(run_id)) or 0


def _is_current(lease: Lease) -> sa.ColumnElement[bool]:
    return sa.and_(
        leases.c.run_id == lease.run_id,
        leases.c.token == lease.token,
        leases.c.expires_at.is_not(None),
    )


def _named(lease: Lease) -> dict[str, Any]:
    return {**run_named(lease.run_id), "of_token": lease.token}


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(
        f"run {lease.run_id} is no longer held by {lease.holder.describe()}",
        hint=f"autopack show {lease.run_id}",
    )
