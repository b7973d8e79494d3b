"""Every call reserves before it is made: caps hold for callers that ask at the same moment."""

from __future__ import annotations

import threading
import time
from decimal import Decimal

import pytest
import sqlalchemy as sa
from support.usage import record, usage_event

from autopack.ledger.budget import budget_tree, reservations
from autopack.model.budget import (
    Amounts,
    Limits,
    Reservation,
    reservation_of_call,
    room,
)
from autopack.model.errors import LeaseLost
from autopack.model.ids import AttemptKey
from autopack.model.states import PhaseState
from autopack.store import runs
from autopack.store.leases import Holder, acquire, release
from autopack.store.tables import budget_reservations

MOST = Amounts(60_000, Decimal(6), 4.0)
HELD = Reservation(60_000, Decimal(6), 4.0)
CAP = Limits(tokens=100_000)


def reserve(db, lease, role, phase_cap=Limits(), *, after=lambda: None):  # noqa: B008
    """Reserve a call of a role as every caller does; whether there was room for it."""

    def write(conn):
        reservations.lock(conn, lease)
        free = room(budget_tree.levels(conn, lease.run_id, {"one": phase_cap}))
        after()
        held = reservation_of_call(free, MOST)
        if held is not None:
            reservations.reserve(conn, AttemptKey(lease.run_id, "one", 1), held, role=role)
        return held is not None

    return db.transact(write)


@pytest.mark.parametrize("level", ["campaign", "run", "phase"])
def test_of_two_callers_at_once_one_gets_what_a_cap_has_left(database, new_run, level):
    budget_tree.set_campaign(database, "c", CAP if level == "campaign" else Limits())
    cap = 100_000 if level == "run" else 5_000_000
    names = ("run-1", "run-2") if level == "campaign" else ("run-1",)
    for name in names:
        new = new_run(run_id=name, campaign_id="c", token_cap=cap)
        runs.create_run(database, new, [("one", "T1")])
    held = [acquire(database, name, Holder.of_this_process(), 45).lease for name in names]
    phase_cap = CAP if level == "phase" else Limits()
    found, begun = [], threading.Event()

    def second():
        begun.set()
        found.append(reserve(database, held[-1], "reviewer", phase_cap))

    other = threading.Thread(target=second)

    def meanwhile():
        # The first has read what is free; the second now has all the time to read the same.
        if not other.ident:
            other.start()
        assert begun.wait(10)
        time.sleep(0.2)

    found.append(reserve(database, held[0], "doctor", phase_cap, after=meanwhile))
    other.join(20)
    assert sorted(found) == [False, True]
    for name in names:
        for one in budget_tree.levels(database, name, {"one": phase_cap}):
            assert one.reserved.tokens <= (one.limits.tokens or 10**9), one


@pytest.fixture
def started(held):
    """An attempt with a build and a doctor's call that have something set aside."""
    held.write(runs.move_phase, "one", PhaseState.EXECUTING)
    held.write(runs.start_attempt, "one", base_commit="b", builder="script", hint=None)

    def write(conn):
        reservations.reserve(conn, AttemptKey("run-1", "one", 1), HELD)
        reservations.reserve(conn, AttemptKey("run-1", "one", 1), HELD, role="doctor", call=2)

    held.db.transact(write)
    return held


def settled(db):
    table = budget_reservations
    with db.read() as conn:
        rows = conn.execute(sa.select(table).order_by(table.c.role))
        return {
            (row.role, row.call): (row.settled_at is not None, row.spent_tokens, row.spent_cost)
            for row in rows
        }


def test_a_build_and_a_call_of_its_attempt_are_settled_apart(started):
    assert budget_tree.levels(started.db, "run-1", {"one": Limits()})[0].reserved.tokens == 120_000
    record(started.db, usage_event(run_id="run-1", total_tokens=7, cost=Decimal("0.5")))
    record(
        started.db,
        usage_event(event_key="d", run_id="run-1", role="doctor", total_tokens=9, cost=None),
    )
    started.db.transact(lambda conn: reservations.settle(conn, AttemptKey("run-1", "one", 1)))
    open_ = (False, None, None)
    assert settled(started.db) == {("builder", 1): (True, 7, Decimal("0.5")), ("doctor", 2): open_}
    started.db.transact(
        lambda conn: reservations.settle_call(
            conn, AttemptKey("run-1", "one", 1), "doctor", 2, Amounts(9, Decimal(0), unpriced=1)
        )
    )
    assert settled(started.db)["doctor", 2] == (True, 9, Decimal(0))
    level = budget_tree.levels(started.db, "run-1", {"one": Limits()})[0]
    assert (level.reserved.tokens, level.spent.tokens) == (0, 16)


def test_what_a_dead_holders_call_reserved_is_free_again_and_its_spend_unknown(started):
    started.write(reservations.settle_lost_calls)
    assert settled(started.db) == {
        ("builder", 1): (False, None, None),
        ("doctor", 2): (True, None, None),
    }


def test_nobody_reserves_for_a_run_that_was_taken_over(started):
    release(started.db, started.lease)
    acquire(started.db, "run-1", Holder.of_this_process(), 45)
    with pytest.raises(LeaseLost):
        reserve(started.db, started.lease, "doctor")
    with pytest.raises(LeaseLost):
        started.write(reservations.settle_lost_calls)


@pytest.mark.parametrize(
    ("tokens", "cost", "unpriced", "held"),
    [
        (60_000, None, 0, Reservation(60_000, None, 4.0)),
        (59_999, None, 0, None),
        (60_000, Decimal(6), 0, Reservation(60_000, Decimal(6), 4.0)),
        (60_000, Decimal("5.9"), 0, None),
        (60_000, Decimal("0.1"), 1, Reservation(60_000, Decimal("0.1"), 4.0)),
        (60_000, Decimal(0), 1, None),
    ],
)
def test_a_call_needs_room_for_all_of_it(tokens, cost, unpriced, held):
    from autopack.model.budget import Room

    most = Amounts(60_000, Decimal(0) if unpriced else Decimal(6), 4.0, unpriced=unpriced)
    assert reservation_of_call(Room(tokens, cost, None), most) == held
    assert reservation_of_call(Room(tokens, cost, 0.0), most) is None
