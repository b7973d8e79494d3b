"""Many runs at a glance: which are under way."""

from __future__ import annotations

import pytest

from autopack.store import Database, Holder, leases, runs
from autopack.store.overview import count_under_way
from autopack.store.states import RunState


@pytest.fixture
def under_way(database: Database, run: runs.RunRow) -> leases.Lease:
    """The run, held and in execution."""
    lease = leases.acquire(database, run.run_id, Holder.of_this_process(), 45).lease
    database.transact(lambda conn: runs.move_run(conn, lease, RunState.PHASE_EXECUTION))
    return lease


def test_a_run_that_has_yet_to_begin_is_counted(database: Database, run: runs.RunRow) -> None:
    assert count_under_way(database, [run.run_id, "nobody"]) == 1


def test_a_run_that_is_held_is_counted(database: Database, under_way: leases.Lease) -> None:
    assert count_under_way(database, [under_way.run_id]) == 1


@pytest.mark.parametrize("state", [RunState.AWAITING_APPROVAL, RunState.DONE_SUCCESS])
def test_a_run_that_waits_or_has_ended_is_not(
    database: Database, under_way: leases.Lease, state: RunState
) -> None:
    database.transact(lambda conn: runs.move_run(conn, under_way, state))
    assert count_under_way(database, [under_way.run_id]) == 0


def test_a_run_that_was_given_back_is_not(database: Database, under_way: leases.Lease) -> None:
    leases.release(database, under_way)
    assert count_under_way(database, [under_way.run_id]) == 0


def test_a_run_whose_holder_fell_silent_is_not(database: Database, under_way: leases.Lease) -> None:
    leases.renew(database, under_way, -1)
    assert count_under_way(database, [under_way.run_id]) == 0


def test_no_runs_are_none(database: Database) -> None:
    assert count_under_way(database, []) == 0
